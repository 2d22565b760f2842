namespace PdEngine.Interop;

/// <summary>What NVRTC made of a source.</summary>
/// <param name="Log">Its remarks, and those of the assembler where flags ask for them.</param>
/// <param name="Ptx">Of the virtual architecture.</param>
/// <param name="Cubin">Empty where only PTX was asked for.</param>
internal sealed record NvrtcImage(string Log, string Ptx, byte[] Cubin);
