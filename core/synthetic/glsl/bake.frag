// Fixed fields of the skin on the base head: colour variation, fine detail, and the heights of wrinkles by group.
#include noise.glsl
in vec3 v_rest;
layout(location = 0) out vec4 out_tone;     // melanin blotches, redness, freckles, age spots
layout(location = 1) out vec4 out_lines;    // wrinkle depth, 0.25 is level: forehead, around the eyes, mouth folds, frown
layout(location = 2) out vec4 out_fine;     // pores, beard shadow dots, mottling, fine crinkles

float bell(float d, float width) { d /= width; return exp(-d * d); }

// A crease along y = at: sharp valley with a soft shoulder.
float crease(float d, float width) { return 0.7 * bell(d, width) + 0.3 * bell(d, 3.0 * width); }

float to_segment(vec2 p, vec2 a, vec2 b, out float along) {
    vec2 ab = b - a;
    along = clamp(dot(p - a, ab) / dot(ab, ab), 0.0, 1.0);
    return distance(p, a + ab * along);
}

float forehead(vec3 r) {
    float sum = 0.0;
    float x = abs(r.x);
    for (int i = 0; i < 5; ++i) {
        float k = float(i);
        float at = 0.315 + 0.088 * k + 0.03 * (noise(vec3(r.x * 3.4 + 9.0 * k, k, 2.0)) - 0.5)
            - 0.05 * x * x * (1.0 + 0.2 * k) + 0.018 * cos(r.x * 7.0 + k);
        float reach = smoothstep(0.52 - 0.05 * abs(k - 1.5), 0.18, x);
        float broken = smoothstep(0.18, 0.5, noise(vec3(r.x * 5.0, 3.3 * k + 1.0, 8.0)));
        sum += crease(r.y - at, 0.0125) * reach * broken * (1.0 - 0.11 * k);
    }
    return sum;
}

float around_eyes(vec3 r) {
    vec2 p = vec2(abs(r.x), r.y);
    vec2 q = p - vec2(0.425, 0.0);
    float angle = atan(q.y, q.x), far = length(q);
    float warped = angle + 0.25 * (noise(vec3(p * 9.0, 1.0)) - 0.5);
    float fan = 0.0;
    for (int i = 0; i < 5; ++i) {
        float a = -0.72 + 0.33 * float(i);
        fan += crease((warped - a) * max(far, 0.05), 0.0085) * (1.0 - 0.14 * abs(float(i) - 1.7));
    }
    fan *= smoothstep(0.03, 0.075, far) * smoothstep(0.27, 0.1, far) * step(0.0, q.x + 0.02);
    vec2 e = p - vec2(0.305, 0.03);
    float under = length(e * vec2(0.74, 1.0));
    float lower = smoothstep(0.01, -0.05, e.y) * smoothstep(0.3, 0.12, abs(e.x));
    float bag = crease(under - 0.178 - 0.018 * e.x, 0.016) * lower;
    bag += (0.4 * crease(under - 0.112, 0.009) - 0.6 * bell(under - 0.14, 0.028)) * lower;
    float along;
    float trough = 0.55 * crease(to_segment(p, vec2(0.165, -0.07), vec2(0.285, -0.2), along), 0.02);
    return fan + 1.1 * bag + trough;
}

float folds(vec3 r) {
    vec2 p = vec2(abs(r.x), r.y);
    // From the wing of the nose past the corner of the mouth, in three pieces that bow outwards.
    float a, b, c;
    float d0 = to_segment(p, vec2(0.188, -0.35), vec2(0.262, -0.47), a);
    float d1 = to_segment(p, vec2(0.262, -0.47), vec2(0.335, -0.62), b);
    float d2 = to_segment(p, vec2(0.335, -0.62), vec2(0.352, -0.74), c);
    float d = min(d0, min(d1, d2));
    // The cheek hangs over the fold: a soft bulge on its outer side.
    float line_x = p.y > -0.47 ? mix(0.262, 0.188, (p.y + 0.47) / 0.12) : mix(0.335, 0.262, (p.y + 0.62) / 0.15);
    float outside = smoothstep(-0.01, 0.03, p.x - line_x);
    float reach = smoothstep(-0.80, -0.60, p.y) * smoothstep(-0.29, -0.40, p.y);
    float nasolabial = (0.55 * bell(d, 0.020) + 0.45 * bell(d, 0.06) - 0.75 * outside * bell(d - 0.085, 0.06)) * reach;
    float m0 = to_segment(p, vec2(0.272, -0.7), vec2(0.3, -0.8), a);
    float m1 = to_segment(p, vec2(0.3, -0.8), vec2(0.292, -0.93), b);
    float marionette = crease(min(m0, m1), 0.022) * smoothstep(-0.97, -0.80, p.y) * smoothstep(-0.66, -0.74, p.y);
    float chin = crease(r.y + 0.845 + 0.5 * r.x * r.x, 0.016) * smoothstep(0.17, 0.06, p.x) * 0.6;
    float lip_lines = 0.0;
    if (p.x < 0.25) {
        float wave = sin(p.x * 74.0 + 7.0 * noise(vec3(r.x * 11.0, r.y * 3.0, 0.0)));
        lip_lines = 0.34 * pow(0.5 + 0.5 * wave, 3.0) * smoothstep(-0.47, -0.54, r.y) * smoothstep(-0.64, -0.60, r.y)
            * smoothstep(0.25, 0.16, p.x) * smoothstep(0.25, 0.7, noise(vec3(r.x * 9.0, 3.0, 1.0)));
    }
    float jowl_edge = to_segment(p, vec2(0.33, -0.95), vec2(0.45, -0.84), c);
    return nasolabial * 1.25 + 0.8 * marionette + chin + lip_lines + 0.45 * crease(jowl_edge, 0.028);
}

float frown(vec3 r) {
    float side = r.x < 0.0 ? 1.0 : 0.78;
    float x = abs(r.x) - 0.058 - 0.16 * max(r.y - 0.15, 0.0) + 0.03 * (noise(vec3(r.y * 6.0, side * 9.0, 4.0)) - 0.5);
    float lines = side * crease(x, 0.014) * smoothstep(0.06, 0.13, r.y) * smoothstep(0.37 - 0.1 * side, 0.2, r.y);
    float root = crease(r.y - 0.045, 0.013) * smoothstep(0.11, 0.05, abs(r.x)) * 0.7;
    return lines + root;
}

void main() {
    vec3 r = v_rest;
    float front = smoothstep(-0.55, -0.15, r.z);
    float blotch = fbm(r * 5.0) - 0.5;
    float red = 0.0;
    vec2 p = vec2(abs(r.x), r.y);
    red += 0.9 * bell(distance(p, vec2(0.36, -0.3)), 0.2) * front;
    red += 0.75 * bell(distance(r, vec3(0.0, -0.36, 0.42)), 0.17);
    red += 0.3 * bell(distance(p, vec2(0.0, -0.95)), 0.16) * front + 0.15 * bell(r.y - 0.45, 0.25) * front;
    red += 0.7 * smoothstep(0.72, 0.8, p.x) * smoothstep(0.2, -0.1, r.y) * smoothstep(-0.6, -0.4, r.y);
    red *= 0.65 + 0.7 * fbm(r * 7.0 + 20.0);
    float freckle_zone = bell(distance(p, vec2(0.24, -0.2)), 0.3) + 0.35 * bell(distance(p, vec2(0.2, 0.4)), 0.4) + 0.1;
    float freckle = max(spots(r * 22.0, 0.16, 0.22, 0.55), 0.8 * spots(r * 34.0 + 40.0, 0.16, 0.25, 0.5));
    float age_spot = max(spots(r * 6.2 + 12.0, 0.075, 0.16, 0.42), 0.8 * spots(r * 12.0 + 70.0, 0.09, 0.2, 0.5));
    age_spot *= 0.65 + 0.5 * fbm(r * 26.0);
    float fold = folds(r) * front, eyes = around_eyes(r) * front;
    out_tone = vec4(0.5 + blotch, red, freckle * clamp(freckle_zone, 0.0, 1.0) * front, age_spot);
    out_lines = 0.25 + 0.5 * vec4(forehead(r) * front, eyes, fold, frown(r) * front);
    // Turned away from the axes, or the lattice shows as stripes on the flat parts of the face.
    vec3 q = mat3(0.36, 0.48, -0.8, -0.8, 0.6, 0.0, 0.48, 0.64, 0.6) * r;
    float pore = 0.65 * spots(q * 52.0, 0.8, 0.3, 0.62) + 0.35 * noise(q * 70.0);
    float dots = spots(r * 44.0 + 33.0, 0.9, 0.28, 0.5);
    float crinkle = 1.0 - abs(2.0 * noise(q * 26.0 + 1.5 * noise(r * 9.0)) - 1.0);
    out_fine = vec4(pore, dots, fbm(q * 21.0 + 5.0), crinkle * crinkle * crinkle);
}
