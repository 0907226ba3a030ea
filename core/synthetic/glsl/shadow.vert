// Depth as the key light sees it.
#include vertex.glsl
in vec3 a_position;

void main() {
    gl_Position = u_clip_from_world * vec4(to_world(a_position, head_share(a_position)), 1.0);
}
