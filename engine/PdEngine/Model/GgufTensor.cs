namespace PdEngine;

/// <summary>One tensor of a GGUF file, as its table states it.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Outermost first: the reverse of the file's order.</param>
/// <param name="OffsetBytes">First byte, from the start of the file.</param>
/// <param name="SizeBytes">Its bytes.</param>
internal sealed record GgufTensor(string Name, GgufType Type, long[] Shape, long OffsetBytes, long SizeBytes);
