namespace PdEngine;

/// <summary>Of a product of an input [rows, columns] and a weight [outputs, columns].</summary>
/// <param name="Rows">Of the input.</param>
/// <param name="Outputs">Rows of the weight.</param>
/// <param name="Columns">Of both.</param>
/// <param name="Segments">Of the columns.</param>
internal readonly record struct CudaGemmShape(int Rows, int Outputs, int Columns, int Segments);
