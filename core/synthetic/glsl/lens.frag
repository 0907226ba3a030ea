// Lenses, blended over what is behind them: tint, mirror of the surroundings, sharp highlight.
#include light.glsl
in vec3 v_world;
in vec3 v_normal;
in vec4 v_mask0;        // colour that passes (linear Rec.709), share held back
in vec4 v_mask1;        // 1 at the rim
uniform vec3 u_camera_position;
uniform float u_class;
uniform int u_marking;      // 1: write the class id instead
layout(location = 0) out vec4 out_colour;

void main() {
    vec3 n = normalize(v_normal), v = normalize(u_camera_position - v_world);
    if (dot(n, v) < 0.0) n = -n;
    float f = fresnel(dot(n, v), 0.035);
    vec3 mirrored = reflect(-v, n);
    float key = smoothstep(0.985, 0.999, dot(mirrored, u_key_direction));
    float glow = smoothstep(0.55, 1.0, dot(mirrored, u_key_direction));
    vec3 shine = surroundings(mirrored) * f * 0.9 + u_key_colour * (key * 0.9 + glow * 0.02);
    shine += u_fill_colour * smoothstep(0.94, 0.995, dot(mirrored, u_fill_direction)) * f * 3.0;
    shine *= 1.0 + 0.6 * v_mask1.x;
    float density = v_mask0.w;
    float alpha = clamp(density + f * 0.4 + 0.10 * v_mask1.x, 0.0, 1.0);
    vec3 body = acescg(v_mask0.rgb) * irradiance(n) * density * 0.12;
    if (u_marking == 1) { out_colour = vec4(u_class); return; }
    out_colour = vec4(body + shine, alpha);
}
