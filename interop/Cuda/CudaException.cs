namespace PdEngine.Interop;

/// <summary>
/// CUDA cannot be used, or a call of its driver failed; the message says what was looked for or called, and
/// what came back.
/// </summary>
internal sealed class CudaException : Exception
{
    internal CudaException(CudaResult result, string message, Exception? innerException = null)
        : base(message, innerException) =>
        Result = result;

    /// <summary>What the call returned.</summary>
    public CudaResult Result { get; }
}
