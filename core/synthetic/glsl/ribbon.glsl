// Strands are stored as texels (point, full width), one row a strand, and widened here to ribbons facing the viewer.
uniform sampler2D u_points;
uniform int u_segments;     // points of a strand
uniform int u_per_row;      // strands in one row of the texture

vec4 strand_point(int strand, int i) {
    int row = strand / u_per_row, column = (strand - row * u_per_row) * u_segments + clamp(i, 0, u_segments - 1);
    return texelFetch(u_points, ivec2(column, row), 0);
}
