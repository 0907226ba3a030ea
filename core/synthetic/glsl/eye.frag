// Eyes: sclera with veins, iris fibres seen through the cornea, lid shadow, tear line, mirror of the lights.
#include light.glsl
#include output.glsl
#include noise.glsl
in vec3 v_world;
in vec3 v_normal;
in vec3 v_rest;         // eye frame, eye radii
in vec2 v_uv;           // iris plane through the cornea, limbus radii
in vec4 v_mask0;        // upper_gap, lower_gap, corner, axis_x
in vec4 v_mask1;        // axis_y, axis_z
uniform mat3 u_head;
uniform vec3 u_iris;        // linear sRGB
uniform vec3 u_iris_inner;
uniform float u_old;
uniform float u_redness;
uniform float u_pupil;
uniform float u_white;          // sclera of darker faces is a little darker, too

void main() {
    float r = length(v_uv);
    float turn = atan(v_uv.y, v_uv.x);
    vec2 around = vec2(cos(turn), sin(turn));
    float fibres = noise(vec3(around * 9.0, r * 2.2)) * 0.6 + noise(vec3(around * 24.0, r * 3.0 + 5.0)) * 0.4;
    float ring = smoothstep(0.62, 0.40, r + 0.16 * (fibres - 0.5));
    vec3 iris = mix(u_iris, u_iris_inner, ring) * (0.55 + 0.9 * fibres);
    iris *= 1.0 - 0.72 * smoothstep(0.76, 0.98, r);
    float pupil = smoothstep(u_pupil + 0.035, u_pupil - 0.035, r);
    iris = mix(iris, vec3(0.004), pupil);
    vec3 white = vec3(0.52, 0.475, 0.44) * mix(vec3(1.0), vec3(0.96, 0.90, 0.76), 0.6 * u_old) * u_white;
    float aside = smoothstep(0.35, 1.0, length(v_rest.xy));
    float veins = 1.0 - abs(2.0 * noise(v_rest * vec3(7.0, 11.0, 7.0) + 2.0 * noise(v_rest * 6.0)) - 1.0);
    veins = smoothstep(0.86, 1.0, veins) * aside;
    white *= 1.0 - vec3(0.06, 0.30, 0.30) * veins * (0.4 + u_redness);
    white *= mix(vec3(1.0), vec3(0.93, 0.72, 0.66), aside * 0.55);
    white = mix(white, vec3(0.52, 0.22, 0.18), 0.85 * v_mask0.z);
    float limbus = smoothstep(0.92, 1.08, r);
    vec3 a = acescg(mix(iris, white, limbus));

    vec3 n = normalize(v_normal), v = normalize(u_camera_position - v_world);
    vec3 axis = normalize(u_head * vec3(v_mask0.w, v_mask1.xy));
    vec3 below = normalize(mix(axis - 0.45 * (n - axis * dot(n, axis)), n, limbus));
    // The lids hang over the ball: shadow and less sky below the upper lid.
    float under_lid = smoothstep(-0.02, 0.42, v_mask0.x);
    float over_lid = smoothstep(-0.05, 0.16, v_mask0.y);
    float open = (0.2 + 0.8 * under_lid) * (0.62 + 0.38 * over_lid);
    float visible = key_visibility(v_world, n, 0.05) * mix(0.3, 1.0, under_lid);
    vec3 light = u_key_colour * visible * clamp((dot(below, u_key_direction) + 0.18) / 1.18, 0.0, 1.0);
    light += u_fill_colour * clamp((dot(below, u_fill_direction) + 0.2) / 1.2, 0.0, 1.0) * open;
    light += irradiance(below) * open * 0.85;
    vec3 colour = a * light * mix(1.25, 0.92, limbus);

    float nv = max(dot(n, v), 0.02);
    vec3 mirrored = reflect(-v, n);
    float size = mix(0.9985, 0.988, u_softness);
    float strength = mix(9.0, 4.0, u_softness);
    float key = smoothstep(size - 0.006, size + 0.002, dot(mirrored, u_key_direction));
    float fill = smoothstep(0.965, 0.99, dot(mirrored, u_fill_direction));
    float f = fresnel(nv, 0.03);
    vec3 shine = u_key_colour * key * visible * strength * (f * 9.0 + 0.05) + u_fill_colour * fill * 3.0 * f * open;
    shine += surroundings(mirrored) * f * 1.1 * open * mix(0.5, 1.0, under_lid);
    float tear = (1.0 - smoothstep(0.02, 0.075, v_mask0.y)) * (1.0 - 0.5 * v_mask0.z);
    shine += (irradiance(n) * 0.12 + u_key_colour * visible * 0.15 * max(dot(n, u_key_direction), 0.0)) * tear;
    emit(colour + shine, 2.0, v_world, n, v_rest, v_uv);
}
