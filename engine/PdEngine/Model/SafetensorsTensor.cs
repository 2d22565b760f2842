namespace PdEngine;

/// <summary>One tensor of a safetensors file, as its header states it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Dtype">Element type.</param>
/// <param name="Shape">Outermost first; empty is a scalar.</param>
/// <param name="BeginBytes">First byte, from the start of the file's data.</param>
/// <param name="EndBytes">One past the last byte, from the start of the file's data.</param>
internal sealed record SafetensorsTensor(
    string Name, SafetensorsDtype Dtype, long[] Shape, long BeginBytes, long EndBytes);
