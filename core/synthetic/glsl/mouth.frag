// Teeth, gums and tongue: wet, darker the deeper they lie.
#include light.glsl
#include output.glsl
in vec3 v_world;
in vec3 v_normal;
in vec3 v_rest;
in vec2 v_uv;
in vec4 v_mask0;        // light, height, seam, tone
uniform int u_material; // 0 tooth, 1 gum, 2 tongue
uniform float u_old;

void main() {
    vec3 albedo;
    float gloss = 0.6, rough = 0.22;
    if (u_material == 0) {
        albedo = mix(vec3(0.60, 0.575, 0.53), vec3(0.50, 0.42, 0.30), smoothstep(0.35, 1.0, v_mask0.y));
        albedo *= mix(vec3(1.0), vec3(0.86, 0.78, 0.60), 0.75 * u_old) * (0.72 + 0.56 * v_mask0.w);
        albedo = mix(albedo, vec3(0.28, 0.15, 0.11), 0.8 * v_mask0.z * v_mask0.z);
        albedo *= mix(vec3(0.85, 0.88, 0.92), vec3(1.0), smoothstep(0.0, 0.2, v_mask0.y));
    } else if (u_material == 1) {
        albedo = vec3(0.42, 0.14, 0.13) * (1.0 - 0.35 * v_mask0.z);
    } else {
        albedo = vec3(0.42, 0.145, 0.13) * (1.0 - 0.3 * v_mask0.z) * (0.75 + 0.25 * v_mask0.y);
        gloss = 0.4; rough = 0.34;
    }
    vec3 a = acescg(albedo);
    vec3 n = normalize(v_normal), v = normalize(u_camera_position - v_world);
    if (!gl_FrontFacing) n = -n;
    float inside = v_mask0.x;
    if (u_material == 0) inside = mix(inside * inside, sqrt(inside), smoothstep(0.25, 0.6, inside));
    float visible = key_visibility(v_world, n, 0.03) * inside;
    vec3 light = u_key_colour * visible * clamp((dot(n, u_key_direction) + 0.3) / 1.3, 0.0, 1.0);
    light += (u_fill_colour * clamp((dot(n, u_fill_direction) + 0.3) / 1.3, 0.0, 1.0) + irradiance(n)) * inside * 0.8;
    vec3 shine = u_key_colour * visible * specular(n, v, u_key_direction, rough, 0.04)
        + (u_fill_colour * specular(n, v, u_fill_direction, rough, 0.04)
        + surroundings(reflect(-v, n)) * fresnel(max(dot(n, v), 0.02), 0.03) * 0.5) * inside;
    emit(a * light * 0.88 + gloss * shine * inside, 8.0, v_world, n, v_rest, v_uv);
}
