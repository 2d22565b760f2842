namespace PdEngine.Interop;

/// <summary>What a call of the CUDA driver returns; only what the engine tells apart has a name.</summary>
internal enum CudaResult
{
    Success = 0,
    InvalidValue = 1,
    OutOfMemory = 2,
    NotInitialized = 3,
    StubLibrary = 34,
    DeviceUnavailable = 46,
    NoDevice = 100,
    InvalidDevice = 101,
    InvalidImage = 200,
    InvalidContext = 201,
    NoBinaryForGpu = 209,
    InvalidHandle = 400,
    NotFound = 500,
    NotReady = 600,
    IllegalAddress = 700,
    LaunchFailed = 719,
    NotSupported = 801,
    SystemNotReady = 802,
    SystemDriverMismatch = 803,
    CaptureUnsupported = 900,
    CaptureInvalidated = 901,
    Timeout = 909,
    Unknown = 999,
}
