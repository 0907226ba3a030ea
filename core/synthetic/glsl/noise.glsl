// Value noise on a lattice with an integer hash: the same on every machine, no textures, no seeds.
float lattice(ivec3 i) {
    uint h = uint(i.x) * 0x8da6b343u ^ uint(i.y) * 0xd8163841u ^ uint(i.z) * 0xcb1ab31fu;
    h = (h ^ (h >> 15)) * 0x2c1b3c6du;
    h = (h ^ (h >> 12)) * 0x297a2d39u;
    h ^= h >> 15;
    return float(h & 0xffffffu) / 16777215.0;
}

float noise(vec3 p) {
    vec3 f = fract(p);
    ivec3 i = ivec3(floor(p));
    vec3 w = f * f * f * (f * (f * 6.0 - 15.0) + 10.0);
    float a = mix(lattice(i), lattice(i + ivec3(1, 0, 0)), w.x);
    float b = mix(lattice(i + ivec3(0, 1, 0)), lattice(i + ivec3(1, 1, 0)), w.x);
    float c = mix(lattice(i + ivec3(0, 0, 1)), lattice(i + ivec3(1, 0, 1)), w.x);
    float d = mix(lattice(i + ivec3(0, 1, 1)), lattice(i + ivec3(1, 1, 1)), w.x);
    return mix(mix(a, b, w.y), mix(c, d, w.y), w.z);
}

float fbm(vec3 p) {
    return 0.5 * noise(p) + 0.27 * noise(p * 2.03 + 7.1) + 0.15 * noise(p * 4.1 + 3.7) + 0.08 * noise(p * 8.3 + 1.3);
}

// Round spots scattered one per cell: 1 in the middle of a spot. `share` of the cells have one.
float spots(vec3 p, float share, float smallest, float largest) {
    ivec3 cell = ivec3(floor(p));
    float best = 0.0;
    for (int x = -1; x <= 1; ++x) for (int y = -1; y <= 1; ++y) for (int z = -1; z <= 1; ++z) {
        ivec3 c = cell + ivec3(x, y, z);
        if (lattice(c + 101) > share) continue;
        vec3 at = vec3(c) + vec3(lattice(c + 11), lattice(c + 23), lattice(c + 37));
        float size = mix(smallest, largest, lattice(c + 53) * lattice(c + 61));
        best = max(best, (1.0 - smoothstep(0.55, 1.0, distance(p, at) / size)) * (0.4 + 0.6 * lattice(c + 71)));
    }
    return best;
}
