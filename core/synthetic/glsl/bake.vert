// Lays the skin out flat: each triangle lands on its texels, carrying its place on the base head.
in vec3 a_rest;
in vec2 a_uv;
uniform vec4 u_window;
out vec3 v_rest;

void main() {
    v_rest = a_rest;
    gl_Position = vec4(((a_uv - u_window.xy) * u_window.zw) * 2.0 - 1.0, 0.0, 1.0);
}
