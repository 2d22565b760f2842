namespace PdEngine.Interop;

/// <summary>A native call failed; the message names the call and says what the library said.</summary>
public sealed class NativeException : Exception
{
    internal NativeException(string operation, string problem)
        : base($"{operation}: {problem}")
    {
    }
}
