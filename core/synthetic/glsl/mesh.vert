// Meshes of all materials.
#include vertex.glsl
in vec3 a_position;
in vec3 a_normal;
in vec3 a_rest;
in vec2 a_uv;
in vec4 a_mask0;
in vec4 a_mask1;
in vec4 a_mask2;
in vec4 a_mask3;
out vec3 v_world;
out vec3 v_normal;
out vec3 v_rest;
out vec2 v_uv;
out vec4 v_mask0;
out vec4 v_mask1;
out vec4 v_mask2;
out vec4 v_mask3;

void main() {
    float share = head_share(a_position);
    v_world = to_world(a_position, share);
    v_normal = turn(a_normal, share);
    v_rest = a_rest;
    v_uv = a_uv;
    v_mask0 = a_mask0;
    v_mask1 = a_mask1;
    v_mask2 = a_mask2;
    v_mask3 = a_mask3;
    gl_Position = u_clip_from_world * vec4(v_world, 1.0);
}
