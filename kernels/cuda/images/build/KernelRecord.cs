namespace PdEngine;

/// <summary>A kernel of an image.</summary>
/// <param name="Name">Of its entry.</param>
/// <param name="ParameterBytes">Of its one parameter.</param>
/// <param name="Registers">Of a thread; 0 in PTX.</param>
/// <param name="SpilledBytes">Stored and loaded again for want of registers.</param>
/// <param name="StackBytes">Of a thread.</param>
internal sealed record KernelRecord(
    string Name, int ParameterBytes, int Registers, int SpilledBytes, int StackBytes);
