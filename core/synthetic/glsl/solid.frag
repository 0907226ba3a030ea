// Cloth and the frames of glasses: diffuse with one GGX lobe; metal mirrors in its own colour.
#include light.glsl
#include output.glsl
#include noise.glsl
in vec3 v_world;
in vec3 v_normal;
in vec3 v_rest;
in vec2 v_uv;
in vec4 v_mask0;        // colour, linear Rec.709; frame: metal, cloth: trim
in vec4 v_mask1;        // frame: tortoise pattern; cloth: hidden, woven
uniform int u_frame;
uniform float u_class;

void main() {
    vec3 n = normalize(v_normal), v = normalize(u_camera_position - v_world);
    if (!gl_FrontFacing) n = -n;
    vec3 base = v_mask0.rgb;
    float metal = 0.0, ao = 1.0, soft = 0.12, rough = 0.25, cloth = 0.0;
    if (u_frame == 1) {
        float mottle = smoothstep(0.35, 0.7, noise(v_rest * 22.0) * 0.7 + noise(v_rest * 47.0) * 0.3);
        base = mix(base, base * mix(vec3(0.12, 0.07, 0.05), vec3(1.9, 1.35, 0.8), mottle), v_mask1.x);
        metal = v_mask0.w;
    } else {
        float yarn = noise(v_rest * mix(vec3(30.0, 55.0, 30.0), vec3(90.0, 40.0, 90.0), v_mask1.y));
        base *= (0.80 + 0.24 * yarn + 0.12 * noise(v_rest * 6.0)) * (1.0 - 0.15 * v_mask0.w);
        ao = 1.0 - 0.8 * v_mask1.x;
        soft = 0.3; rough = 0.8; cloth = 1.0;
    }
    vec3 a = acescg(base);
    float visible = key_visibility(v_world, n, 0.03);
    vec3 light = u_key_colour * visible * clamp((dot(n, u_key_direction) + soft) / (1.0 + soft), 0.0, 1.0)
        + u_fill_colour * clamp((dot(n, u_fill_direction) + soft) / (1.0 + soft), 0.0, 1.0) * ao
        + u_rim_colour * clamp(dot(n, u_rim_direction), 0.0, 1.0) * ao
        + irradiance(n) * ao;
    float nv = max(dot(n, v), 0.02);
    float f0 = mix(0.04, 0.7, metal);
    vec3 tint = mix(vec3(1.0), a * 1.6, metal);
    vec3 shine = u_key_colour * visible * specular(n, v, u_key_direction, rough, f0)
        + u_fill_colour * specular(n, v, u_fill_direction, rough, f0)
        + u_rim_colour * specular(n, v, u_rim_direction, rough, f0)
        + surroundings(reflect(-v, n)) * fresnel(nv, f0) * (1.0 - 0.7 * rough);
    shine *= mix(tint, vec3(0.15), cloth);
    emit(a * light * (1.0 - 0.85 * metal) + shine, u_class, v_world, n, v_rest, v_uv);
}
