// From head space to world and clip space; every vertex shader bends the neck the same way (camera.Pose.world).
uniform mat4 u_clip_from_world;
uniform mat3 u_head;
uniform mat3 u_trunk;
uniform vec3 u_head_pivot;
uniform vec3 u_head_moved;
uniform vec3 u_trunk_pivot;
uniform vec3 u_offset;
uniform vec2 u_bend;

float head_share(vec3 p) { return smoothstep(u_bend.x, u_bend.y, p.y + 0.6 * p.z); }

vec3 to_world(vec3 p, float share) {
    vec3 trunk = u_trunk * (p - u_trunk_pivot) + u_trunk_pivot;
    vec3 head = u_head * (p - u_head_pivot) + u_head_moved;
    return mix(trunk, head, share) + u_offset;
}

vec3 turn(vec3 n, float share) { return normalize(mix(u_trunk * n, u_head * n, share)); }
