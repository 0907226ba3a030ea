// Skin: melanin and blood over a light base, wrinkles as height, diffuse that bleeds by channel, two GGX lobes.
#include light.glsl
#include output.glsl
in vec3 v_world;
in vec3 v_normal;
in vec3 v_rest;
in vec2 v_uv;
in vec4 v_mask0;    // lips, eyelids, ears, inside_mouth
in vec4 v_mask1;    // scalp, face, brows, beard
in vec4 v_mask2;    // moustache, nose, cheeks, under_eye
in vec4 v_mask3;    // neck, ao, lid_rim, turn
uniform sampler2D u_tone;
uniform sampler2D u_lines;
uniform sampler2D u_fine;
uniform vec4 u_window;          // uv of the baked fields: origin, scale
uniform float u_melanin;
uniform float u_old;            // 0 young, 1 very old
uniform float u_blotches;
uniform float u_redness;
uniform float u_freckles;
uniform float u_oil;
uniform vec4 u_line_depth;      // strength of the four groups of wrinkles
uniform vec4 u_stubble;         // beard, moustache shadow; scalp, brow tint
uniform vec3 u_hair_srgb;       // hair colour under the skin, linear sRGB
uniform vec4 u_lipstick;        // linear sRGB and strength
uniform float u_lip_gloss;
uniform float u_bump;

vec3 skin_colour(float melanin, float blood) {
    vec3 base = vec3(0.81, 0.595, 0.485);
    return base * exp(-melanin * vec3(2.0, 2.38, 2.62) - blood * vec3(0.10, 0.62, 0.52));
}

// Mikkelsen 2010: bend the normal by the slope of a height given in the picture.
vec3 bumped(vec3 n, float height) {
    vec3 dx = dFdx(v_world), dy = dFdy(v_world);
    vec3 r1 = cross(dy, n), r2 = cross(n, dx);
    float area = dot(dx, r1);
    vec3 slope = (r1 * dFdx(height) + r2 * dFdy(height)) * sign(area);
    return normalize(max(abs(area), 1e-9) * n - slope);
}

void main() {
    vec2 uv = (v_uv - u_window.xy) * u_window.zw;
    vec4 tone = texture(u_tone, uv), lines = 2.0 * texture(u_lines, uv) - 0.5, fine = texture(u_fine, uv);
    float lips = smoothstep(0.25, 0.75, v_mask0.x), inside = v_mask0.w;
    float dry = 1.0 - lips;
    float ao = clamp(v_mask3.y, 0.0, 1.0);
    float wrinkle = dot(lines, u_line_depth) * dry;
    float furrow = max(wrinkle, 0.0);
    float crinkle = fine.w * u_old * (0.35 + 0.65 * max(v_mask2.w, v_mask0.y)) * dry;

    float blood = 0.24 + u_redness * tone.y + 0.5 * u_blotches * (fine.z - 0.5) + 0.25 * v_mask2.w * (0.6 + u_old);
    float melanin = u_melanin * (1.0 + 0.22 * u_blotches * (tone.x - 0.5) + 0.10 * v_mask2.w + 0.06 * v_mask0.y)
        + u_freckles * tone.z * (0.20 + 0.30 * u_melanin) + u_old * u_old * tone.w * (0.22 + 0.22 * u_melanin);
    blood += 0.12 * furrow;
    vec3 albedo = skin_colour(melanin, blood);
    float grey = luma(albedo);
    albedo = mix(albedo, vec3(grey) * vec3(1.06, 1.0, 0.9), 0.16 * u_old);
    vec3 lip = skin_colour(melanin * 1.02 + 0.04 + 0.02 * u_old, blood + 1.05 - 0.35 * u_old) * 0.92;
    lip = mix(lip, u_lipstick.rgb * (0.8 + 0.4 * fine.z), u_lipstick.a);
    albedo = mix(albedo, lip, lips);
    albedo = mix(albedo, vec3(0.30, 0.085, 0.07), inside * (1.0 - 0.6 * lips));
    albedo = mix(albedo, albedo * vec3(1.02, 0.72, 0.68), v_mask3.z * 0.8);
    float shadow_hair = u_stubble.x * v_mask1.w * dry + u_stubble.y * v_mask2.x * dry;
    shadow_hair = clamp(shadow_hair * (0.65 + 0.75 * fine.y), 0.0, 0.85);
    shadow_hair = max(shadow_hair, u_stubble.z * v_mask1.x);
    shadow_hair = max(shadow_hair, u_stubble.w * v_mask1.z);
    albedo = mix(albedo, u_hair_srgb, shadow_hair);
    albedo *= 1.0 - 0.26 * min(furrow, 1.6) * vec3(0.75, 1.0, 1.05) - 0.12 * crinkle;
    vec3 a = acescg(albedo);

    vec3 n0 = normalize(v_normal);
    if (!gl_FrontFacing) n0 = -n0;
    float height = -0.011 * wrinkle - 0.0035 * crinkle - u_bump * 0.0011 * fine.x * dry
        - 0.0022 * lips * fine.w - 0.0016 * shadow_hair * fine.y;
    vec3 n = bumped(n0, height);
    vec3 v = normalize(u_camera_position - v_world);
    float nv = max(dot(n, v), 0.02);

    float visible = key_visibility(v_world, n0, 0.022);
    vec3 wrap = vec3(0.36, 0.19, 0.14) * (0.6 + 0.4 * u_softness);
    vec3 soft_cos = mix(vec3(dot(n, u_key_direction)), vec3(dot(n0, u_key_direction)), vec3(0.55, 0.15, 0.05));
    vec3 key_cos = pow(clamp((soft_cos + wrap) / (1.0 + wrap), 0.0, 1.0), vec3(1.0) + wrap);
    vec3 lit = key_cos * pow(vec3(visible), vec3(0.82, 0.97, 1.0));
    float cavity = 1.0 - 0.38 * min(furrow, 1.5);
    vec3 open = pow(vec3(ao), vec3(0.8, 1.08, 1.15)) * cavity;
    vec3 diffuse = u_key_colour * lit * mix(1.0, ao, 0.35);
    diffuse += u_fill_colour * clamp((dot(n, u_fill_direction) + wrap) / (1.0 + wrap), 0.0, 1.0) * open;
    diffuse += u_rim_colour * clamp(dot(n, u_rim_direction), 0.0, 1.0) * ao;
    diffuse += irradiance(n) * open * 1.02;

    float wet = max(inside * 0.7, v_mask3.z);
    float oil = u_oil * (0.7 + 0.6 * v_mask2.y + 0.35 * smoothstep(0.25, 0.5, v_rest.y) * v_mask1.y) * (1.0 - 0.35 * u_old);
    float rough = mix(mix(0.60, 0.42, clamp(oil, 0.0, 1.0)), mix(0.42, 0.2, u_lip_gloss), lips) - 0.12 * wet;
    float amount = mix(0.38 + 0.70 * oil, 0.7 + 0.7 * u_lip_gloss, lips) * (1.0 - 0.5 * shadow_hair);
    float spec = specular(n, v, u_key_direction, rough, 0.028) * 0.75
        + specular(n, v, u_key_direction, rough * 0.55, 0.028) * 0.25 * (0.4 + oil + wet);
    vec3 shine = u_key_colour * visible * spec;
    shine += u_fill_colour * specular(n, v, u_fill_direction, rough, 0.028) * ao;
    shine += u_rim_colour * specular(n, v, u_rim_direction, rough, 0.028) * ao;
    shine += surroundings(reflect(-v, n)) * fresnel(nv, 0.022) * 0.55 * ao * ao;
    vec3 colour = a * diffuse + shine * amount * mix(1.0, 0.35, crinkle) * (0.85 + 0.3 * (1.0 - fine.x));
    float deep = inside * (1.0 - lips);
    colour *= mix(1.0, smoothstep(0.0, 0.9, ao) * 0.75 + 0.10, deep);
    float id = deep > 0.5 ? 8.0 : (lips > 0.5 ? 4.0 : 1.0);
    emit(colour, id, v_world, n, v_rest, v_uv);
}
