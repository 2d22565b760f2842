namespace PdEngine.Host;

/// <summary>How OpenTelemetry's collector is spoken to.</summary>
internal enum OtlpProtocol
{
    Http,
    Grpc,
}
