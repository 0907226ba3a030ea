// Targets: colour with the class id, normal with depth, rest position, uv. Without its attachment an output is dropped.
layout(location = 0) out vec4 out_colour;
layout(location = 1) out vec4 out_normal;
layout(location = 2) out vec4 out_rest;
layout(location = 3) out vec4 out_uv;

uniform vec3 u_camera_position;

void emit(vec3 colour, float class_id, vec3 world, vec3 n, vec3 rest, vec2 uv) {
    out_colour = vec4(colour, class_id);
    out_normal = vec4(n, u_camera_position.z - world.z);
    out_rest = vec4(rest, 1.0);
    out_uv = vec4(uv, 0.0, 1.0);
}
