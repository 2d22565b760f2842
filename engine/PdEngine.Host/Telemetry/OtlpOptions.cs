using System.Globalization;

namespace PdEngine.Host;

/// <summary>
/// What is exported, by the flags of <c>serve</c> and OpenTelemetry's own variables; a flag counts more.
/// </summary>
internal sealed record OtlpOptions
{
    private const string Prefix = "OTEL_EXPORTER_OTLP_";

    /// <summary>Null: spans are not exported.</summary>
    public OtlpTarget? Traces { get; init; }

    /// <summary>Null: metrics are not exported.</summary>
    public OtlpTarget? Metrics { get; init; }

    /// <summary>How long spans are gathered.</summary>
    public int SpanDelayMilliseconds { get; init; } = 5000;

    /// <summary>How often metrics are sent.</summary>
    public int MetricIntervalMilliseconds { get; init; } = 60_000;

    /// <summary>Reads it; null where nothing is to be exported.</summary>
    /// <param name="endpoint">Of the flag, or null.</param>
    /// <param name="protocol">Of the flag, or null.</param>
    /// <param name="environment">Value of a variable, or null.</param>
    /// <exception cref="OptionsException">A value is not one.</exception>
    public static OtlpOptions? Read(
        string? endpoint, string? protocol, Func<string, string?> environment)
    {
        if (protocol is not null and not ("http" or "grpc"))
            throw new OptionsException("--otlp-protocol", $"it must be http or grpc, not '{protocol}'");
        if (string.Equals(environment("OTEL_SDK_DISABLED"), "true", StringComparison.OrdinalIgnoreCase))
            return null;
        OtlpOptions options = new()
        {
            Traces = TargetOf("TRACES", endpoint, protocol, environment),
            Metrics = TargetOf("METRICS", endpoint, protocol, environment),
            SpanDelayMilliseconds = Milliseconds("OTEL_BSP_SCHEDULE_DELAY", 5000, environment),
            MetricIntervalMilliseconds = Milliseconds("OTEL_METRIC_EXPORT_INTERVAL", 60_000, environment),
        };
        if (options is { Traces: null, Metrics: null })
        {
            return protocol is null ? null : throw new OptionsException(
                "--otlp-protocol", "there is nowhere to export to; give --otlp-endpoint too");
        }
        return options;
    }

    private static OtlpTarget? TargetOf(
        string signal, string? flag, string? protocolFlag, Func<string, string?> environment)
    {
        if (environment($"OTEL_{signal}_EXPORTER") == "none")
            return null;
        string? own = flag is null ? Given($"{signal}_ENDPOINT") : null;
        string? shared = flag ?? Given("ENDPOINT");
        if ((own ?? shared) is not { } text)
            return null;
        string source = flag is not null ? "--otlp-endpoint"
            : Prefix + (own is not null ? $"{signal}_ENDPOINT" : "ENDPOINT");
        bool isAddress = Uri.TryCreate(text, UriKind.Absolute, out Uri? endpoint)
            && endpoint.Scheme is "http" or "https";
        if (!isAddress)
        {
            throw new OptionsException(
                source, "it must be an address such as http://localhost:4318");
        }
        OtlpProtocol protocol = ProtocolOf(protocolFlag ?? Given($"{signal}_PROTOCOL") ?? Given("PROTOCOL"));
        // By OpenTelemetry's rule: a signal's own address is whole, the shared one gets a path for each.
        if (protocol == OtlpProtocol.Http && own is null)
        {
            UriBuilder path = new(endpoint!);
            path.Path = $"{path.Path.TrimEnd('/')}/v1/{signal.ToLowerInvariant()}";
            endpoint = path.Uri;
        }
        return new(
            endpoint!, protocol, Given($"{signal}_HEADERS") ?? Given("HEADERS") ?? "",
            Milliseconds(
                environment($"{Prefix}{signal}_TIMEOUT") is null
                    ? $"{Prefix}TIMEOUT"
                    : $"{Prefix}{signal}_TIMEOUT",
                10_000, environment));

        string? Given(string name) => environment(Prefix + name) is { Length: > 0 } value ? value : null;
    }

    private static OtlpProtocol ProtocolOf(string? given) => given switch
    {
        null or "http" or "http/protobuf" => OtlpProtocol.Http,
        "grpc" => OtlpProtocol.Grpc,
        _ => throw new OptionsException(
            Prefix + "PROTOCOL", $"'{given}' is not there; it must be http/protobuf or grpc"),
    };

    private static int Milliseconds(string name, int usual, Func<string, string?> environment)
    {
        if (environment(name) is not { Length: > 0 } given)
            return usual;
        return int.TryParse(given, NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            && value > 0
                ? value
                : throw new OptionsException(name, $"'{given}' is not a number of milliseconds");
    }
}
