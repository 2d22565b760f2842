namespace PdEngine.Host;

/// <summary>Where one signal goes.</summary>
/// <param name="Endpoint">Whole with its path under HTTP.</param>
/// <param name="Protocol">How.</param>
/// <param name="Headers">As <c>name=value,name=value</c>; may hold keys.</param>
/// <param name="TimeoutMilliseconds">Of one export.</param>
internal sealed record OtlpTarget(
    Uri Endpoint, OtlpProtocol Protocol, string Headers, int TimeoutMilliseconds)
{
    /// <summary>Without headers, and without a password that the address may hold.</summary>
    public override string ToString() => Endpoint.GetComponents(
        UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);
}
