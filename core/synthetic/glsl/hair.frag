// Hair arrives lit from its vertex shader.
#include output.glsl
in vec3 v_colour;
in vec3 v_world;
in vec3 v_normal;
uniform float u_class;

void main() { emit(v_colour, u_class, v_world, v_normal, vec3(0.0), vec2(0.0)); }
