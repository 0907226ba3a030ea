// Every few strands, wider, into the depth that the key light sees.
#include vertex.glsl
#include ribbon.glsl
uniform int u_step;
uniform vec3 u_key_direction;
uniform float u_widen;

void main() {
    int strand = gl_VertexID / (2 * u_segments);
    int rest = gl_VertexID - strand * 2 * u_segments;
    int i = rest / 2;
    strand *= u_step;
    float side = float(rest - 2 * i) * 2.0 - 1.0;
    vec4 at = strand_point(strand, i);
    float share = head_share(at.xyz);
    vec3 along = strand_point(strand, i + 1).xyz - strand_point(strand, i - 1).xyz;
    vec3 across = cross(turn(along + vec3(0.0, -1e-6, 0.0), share), u_key_direction);
    vec3 world = to_world(at.xyz, share) + normalize(across + vec3(1e-5)) * (0.5 * side * at.w * u_widen);
    gl_Position = u_clip_from_world * vec4(world, 1.0);
}
