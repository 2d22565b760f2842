namespace PdEngine.Interop;

/// <summary>What a native call returns; the text is in <c>pd_last_error</c>.</summary>
internal enum NativeStatus
{
    Ok = 0,
    InvalidArgument = 1,
    OutOfMemory = 2,
    Unsupported = 3,
    Failed = 4,
}
