// Ribbons of hair, facing the camera and never thinner than a sample, lit at each point of the strand: two Kajiya-Kay
// lobes (white, and coloured further along), soft diffuse, darker towards the roots.
#include vertex.glsl
#include ribbon.glsl
#include light.glsl
uniform sampler2D u_shades;
uniform vec3 u_camera_position;
uniform float u_thinnest;       // width of a sample at unit distance
uniform vec3 u_hair_albedo;     // ACEScg
uniform vec3 u_grey_albedo;
uniform vec2 u_grey;             // share of grey hair, how much single strands stand out
uniform float u_root_shade;     // brightness at the root
uniform float u_gloss;
uniform vec4 u_under;           // colour of the skin below (ACEScg), and how much of it thin hair takes on
out vec3 v_colour;
out vec3 v_world;
out vec3 v_normal;

float lobe(float tl, float tv, float shift, float power) {
    float st = sqrt(max(1.0 - tl * tl, 0.0)), sv = sqrt(max(1.0 - tv * tv, 0.0));
    float c = cos(shift) * (st * sv - tl * tv) + sin(shift) * (tl * sv + tv * st);
    return pow(max(c, 0.0), power);
}

vec3 lit(vec3 world, vec3 t, vec3 v, vec3 n, vec3 outward, vec3 albedo, float depth, float hash) {
    float tv = dot(t, v);
    float jitter = (hash - 0.5) * 0.2;
    float arrives = key_visibility_hair(world + outward * 0.02);
    vec3 light = vec3(0.0), shine = vec3(0.0);
    for (int k = 0; k < 3; ++k) {
        vec3 l = k == 0 ? u_key_direction : (k == 1 ? u_fill_direction : u_rim_direction);
        vec3 colour = k == 0 ? u_key_colour * arrives : (k == 1 ? u_fill_colour : u_rim_colour);
        float tl = dot(t, l);
        float facing = clamp((dot(outward, l) + 0.35) / 1.35, 0.0, 1.0);
        light += colour * sqrt(max(1.0 - tl * tl, 0.0)) * facing * mix(0.5, 1.0, max(dot(n, l), 0.0));
        shine += colour * facing * (0.035 * lobe(tl, tv, -0.12 + jitter, 60.0)
            + 0.6 * lobe(tl, tv, 0.14 + jitter, 14.0) * albedo);
        if (k == 2) shine += colour * albedo * pow(max(dot(-v, l), 0.0), 3.0);
    }
    vec3 soft = irradiance(outward) * mix(0.35, 1.0, depth);
    return albedo * (0.75 * light + 0.9 * soft) * depth + u_gloss * shine * depth;
}

void main() {
    int strand = gl_VertexID / (2 * u_segments);
    int rest = gl_VertexID - strand * 2 * u_segments;
    int i = rest / 2;
    float side = float(rest - 2 * i) * 2.0 - 1.0;
    vec4 at = strand_point(strand, i);
    vec3 before = strand_point(strand, i - 1).xyz, after = strand_point(strand, i + 1).xyz;
    float share = head_share(at.xyz);
    vec3 world = to_world(at.xyz, share);
    vec3 t = turn(after - before + vec3(0.0, -1e-6, 0.0), share);
    vec3 to_camera = u_camera_position - world;
    vec3 v = normalize(to_camera);
    vec3 across = cross(t, v);
    float crossing = length(across);
    across = crossing > 1e-3 ? across / crossing : vec3(1.0, 0.0, 0.0);
    float hash = fract(float(strand) * 0.6180339887);
    // Hair thinner than a sample is drawn as wide as one, but there is less of it: always the same strands, ending at
    // different lengths. On skin it may take on some of the skin's colour instead.
    float shown = max(at.w, u_thinnest * to_camera.z);
    float cover = at.w / shown;
    if (hash * 0.9 > mix(cover, 1.0, u_under.w)) shown = 0.0;
    int row = strand / u_per_row;
    vec2 shade = texelFetch(u_shades, ivec2(strand - row * u_per_row, row), 0).xy;
    float along = float(i) / float(u_segments - 1);
    vec3 outward = normalize(turn(normalize(at.xyz - vec3(0.0, 0.0, -0.75)), share));
    outward = normalize(outward - 0.6 * t * dot(outward, t));
    vec3 n = normalize(v - t * dot(v, t) + outward * 0.6);
    vec3 albedo = mix(u_hair_albedo, u_grey_albedo, mix(u_grey.x, shade.y, u_grey.y)) * (0.6 + 0.8 * shade.x);
    albedo = mix(albedo, u_under.rgb, u_under.w * (1.0 - cover));
    float depth = mix(u_root_shade, 1.0, smoothstep(0.0, 0.5, along));
    v_colour = lit(world, t, v, n, outward, albedo, depth, fract(hash * 7.31));
    v_normal = n;
    v_world = world + across * (0.5 * side * shown);
    gl_Position = u_clip_from_world * vec4(v_world, 1.0);
}
