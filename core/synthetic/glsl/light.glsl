// Lights and small shading functions. Colours are ACEScg, scene-linear; directions are in world space.
uniform vec3 u_key_direction;
uniform vec3 u_key_colour;
uniform vec3 u_fill_direction;
uniform vec3 u_fill_colour;
uniform vec3 u_rim_direction;
uniform vec3 u_rim_colour;
uniform vec3 u_sky;
uniform vec3 u_horizon;
uniform vec3 u_ground;
uniform float u_softness;

uniform mat4 u_shadow_from_world;
uniform sampler2DShadow u_shadow;

const mat3 ACESCG_FROM_SRGB = mat3(
    0.613097, 0.070194, 0.020616,
    0.339523, 0.916354, 0.109570,
    0.047379, 0.013452, 0.869815);

vec3 acescg(vec3 srgb) { return ACESCG_FROM_SRGB * srgb; }

float luma(vec3 c) { return dot(c, vec3(0.2722, 0.6741, 0.0537)); }

// Radiance of the surroundings in a direction, and its cosine-weighted mean around a normal.
vec3 surroundings(vec3 d) {
    float up = smoothstep(-0.15, 0.9, d.y), down = smoothstep(0.1, -0.75, d.y);
    return mix(mix(u_horizon, u_sky, up), u_ground, down);
}

vec3 irradiance(vec3 n) {
    float s = 0.5 + 0.5 * n.y;
    return u_sky * s * s + u_horizon * (2.0 * s * (1.0 - s)) + u_ground * ((1.0 - s) * (1.0 - s));
}

const vec2 TAPS[8] = vec2[8](
    vec2(-0.326, -0.406), vec2(-0.840, -0.074), vec2(-0.696, 0.457), vec2(-0.203, 0.621),
    vec2(0.962, -0.195), vec2(0.473, -0.480), vec2(0.519, 0.767), vec2(0.185, -0.893));

// 1 inside the shadow map, 0 beyond it: what the map does not show is lit, and the border must not be seen.
float mapped(vec2 at) {
    vec2 inner = min(at, 1.0 - at);
    return smoothstep(0.02, 0.14, min(inner.x, inner.y));
}

// Share of the key light that arrives, 0..1; soft by a disk of eight filtered taps.
float key_visibility(vec3 world, vec3 n, float bias) {
    vec3 at = world + n * bias;
    vec3 s = (u_shadow_from_world * vec4(at, 1.0)).xyz * 0.5 + 0.5;
    float radius = mix(0.006, 0.028, u_softness);
    // Slanted surfaces lie nearer to the light at one side of the disk than in its middle.
    float nl = clamp(dot(n, u_key_direction), 0.3, 1.0);
    float near = s.z - 0.002 - 0.3 * radius * sqrt(1.0 - nl * nl) / nl;
    float sum = 0.0;
    for (int i = 0; i < 8; ++i) sum += texture(u_shadow, vec3(s.xy + TAPS[i] * radius, near));
    return mix(1.0, sum * 0.125, mapped(s.xy));
}

// The same for hair: four taps, and light that gets lost gradually below the first strands.
float key_visibility_hair(vec3 world) {
    vec3 s = (u_shadow_from_world * vec4(world, 1.0)).xyz * 0.5 + 0.5;
    float sum = 0.0;
    for (int i = 0; i < 4; ++i) {
        float deeper = 0.006 + 0.011 * float(i);
        sum += textureLod(u_shadow, vec3(s.xy + TAPS[2 * i] * 0.02, s.z - deeper), 0.0);
    }
    return mix(1.0, sum * 0.25, mapped(s.xy));
}

float ggx(float nh, float roughness) {
    float a = roughness * roughness;
    float a2 = a * a;
    float d = nh * nh * (a2 - 1.0) + 1.0;
    return a2 / (3.14159 * d * d);
}

// Specular response of a punctual light times cosine, relative to a white diffuse surface (so without the 1/pi).
float specular(vec3 n, vec3 v, vec3 l, float roughness, float f0) {
    vec3 h = normalize(l + v);
    float nl = max(dot(n, l), 0.0), nv = max(dot(n, v), 0.05), nh = max(dot(n, h), 0.0);
    float f = f0 + (1.0 - f0) * pow(1.0 - max(dot(l, h), 0.0), 5.0);
    float k = 0.5 * roughness * roughness + 1e-3;
    float g = 1.0 / ((nl * (1.0 - k) + k) * (nv * (1.0 - k) + k));
    return 3.14159 * 0.25 * ggx(nh, roughness) * f * g * nl;
}

float fresnel(float nv, float f0) { return f0 + (1.0 - f0) * pow(1.0 - clamp(nv, 0.0, 1.0), 5.0); }
