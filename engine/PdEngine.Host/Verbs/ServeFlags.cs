using System.CommandLine;

namespace PdEngine.Host;

/// <summary>The flags of <c>serve</c> that are about HTTP.</summary>
internal sealed class ServeFlags
{
    private readonly Option<string> _host = new("--host")
    {
        Description = "Address to listen on; beyond this machine it needs a key, or --insecure.",
        DefaultValueFactory = _ => "127.0.0.1",
        HelpName = "ADDRESS",
    };

    private readonly Option<int> _port = new("--port")
    {
        Description = "Port to listen on; 0 takes one that is free.", DefaultValueFactory = _ => 30000,
        HelpName = "N",
    };

    private readonly Option<string?> _keyFile = new("--api-key-file")
    {
        Description = "File whose first line is the key that clients send; absent: PDENGINE_API_KEY, or "
            + "none.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _adminKey = new("--admin-api-key")
    {
        Description = "A key of its own for weights, memory, pauses, flushes and aborts of everything; "
            + "absent: the other key. Others on this machine can read flags: --admin-api-key-file keeps it "
            + "from them.",
        HelpName = "KEY",
    };

    private readonly Option<string?> _adminKeyFile = new("--admin-api-key-file")
    {
        Description = "The same from the first line of a file; absent: --admin-api-key.", HelpName = "FILE",
    };

    private readonly Option<bool> _insecure = new("--insecure")
    {
        Description = "Listens beyond this machine without a key: everybody who reaches it may use it.",
    };

    private readonly Option<string[]> _allowedHosts = new("--allowed-host")
    {
        Description = "A name that clients call this server by, besides its address; may be given again.",
        HelpName = "NAME",
    };

    private readonly Option<string?> _weightsRoot = new("--weights-root")
    {
        Description = "Clients may have weights read from inside this folder; absent: the model's, of "
            + $"{DefaultModel.Name} none.",
        HelpName = "FOLDER",
    };

    private readonly Option<int> _maxBody = new("--max-body-mb")
    {
        Description = "Longest body in MiB.", DefaultValueFactory = _ => 64, HelpName = "N",
    };

    private readonly Option<int> _maxWeightsBody = new("--max-weights-body-mb")
    {
        Description = "Longest body in MiB that brings weights.", DefaultValueFactory = _ => 1024,
        HelpName = "N",
    };

    private readonly Option<int> _maxQueued = new("--max-queued-requests")
    {
        Description = "Most requests that wait for a worker; one more is answered 429.",
        DefaultValueFactory = _ => 65536,
        HelpName = "N",
    };

    private readonly Option<int> _drainSeconds = new("--drain-seconds")
    {
        Description = "How long requests may go on once the server is told to end.",
        DefaultValueFactory = _ => 30,
        HelpName = "N",
    };

    private readonly Option<bool> _logRequests = new("--log-requests")
    {
        Description = "A line on standard error for each request, without its body.",
    };

    private readonly Option<string?> _logFormat = new("--log-format")
    {
        Description = "The same, as text or as json; absent: json.", HelpName = "FORMAT",
    };

    private readonly Option<bool> _logPrompts = new("--log-prompts")
    {
        Description = "The same with bodies, and so with prompts.",
    };

    private readonly Option<string?> _otlpEndpoint = new("--otlp-endpoint")
    {
        Description = "Sends spans and metrics to OpenTelemetry's collector there, for example "
            + "http://localhost:4318; absent: OTEL_EXPORTER_OTLP_ENDPOINT, or nothing.",
        HelpName = "URL",
    };

    private readonly Option<string?> _otlpProtocol = new("--otlp-protocol")
    {
        Description = "http or grpc; absent: OTEL_EXPORTER_OTLP_PROTOCOL, or http.", HelpName = "NAME",
    };

    public void AddTo(Command verb)
    {
        foreach (Option option in new Option[]
        {
            _host, _port, _keyFile, _adminKey, _adminKeyFile, _insecure, _allowedHosts, _weightsRoot,
            _maxBody, _maxWeightsBody, _maxQueued, _drainSeconds, _logRequests, _logFormat, _logPrompts,
            _otlpEndpoint, _otlpProtocol,
        })
        {
            verb.Options.Add(option);
        }
    }

    public int MaxQueuedRequests(ParseResult parsed) => InRange(parsed, _maxQueued, 1, int.MaxValue);

    public TimeSpan DrainTimeout(ParseResult parsed) =>
        TimeSpan.FromSeconds(InRange(parsed, _drainSeconds, 0, 86400));

    /// <exception cref="OptionsException">A flag is at fault.</exception>
    public ServeOptions Read(ParseResult parsed, Func<string, string?> environment)
    {
        string? root = parsed.GetValue(_weightsRoot);
        if (root is not null && !Directory.Exists(root))
            throw new OptionsException("--weights-root", $"'{root}' is not a folder");
        ServeOptions options = new()
        {
            Host = parsed.GetValue(_host)!,
            Port = parsed.GetValue(_port),
            ApiKey = Key(parsed.GetValue(_keyFile), _keyFile.Name, environment("PDENGINE_API_KEY"),
                "PDENGINE_API_KEY"),
            AdminKey = Key(parsed.GetValue(_adminKeyFile), _adminKeyFile.Name, parsed.GetValue(_adminKey),
                _adminKey.Name),
            IsInsecure = parsed.GetValue(_insecure),
            AllowedHosts = parsed.GetValue(_allowedHosts) ?? [],
            WeightsRoot = root,
            MaxBodyBytes = (long)InRange(parsed, _maxBody, 1, 1024) << 20,
            MaxWeightsBodyBytes = (long)InRange(parsed, _maxWeightsBody, 1, 1536) << 20,
            DrainTimeout = DrainTimeout(parsed),
            LogsRequests = parsed.GetValue(_logRequests) || parsed.GetValue(_logFormat) is not null,
            LogFormat = FormatOf(parsed.GetValue(_logFormat)),
            LogsPrompts = parsed.GetValue(_logPrompts),
            Log = Console.Error,
            Otlp = OtlpOptions.Read(
                parsed.GetValue(_otlpEndpoint), parsed.GetValue(_otlpProtocol), environment),
        };
        ListenAddress.ThrowIfOpen(options);
        return options;
    }

    private static LogFormat FormatOf(string? given) => given switch
    {
        null or "json" => LogFormat.Json,
        "text" => LogFormat.Text,
        _ => throw new OptionsException("--log-format", $"it must be text or json, not '{given}'"),
    };

    private static AccessKey? Key(string? file, string fileFlag, string? value, string valueSource)
    {
        if (file is not null)
            return AccessKey.FromFile(fileFlag, file);
        return string.IsNullOrEmpty(value) ? null : AccessKey.Of(valueSource, value);
    }

    private static int InRange(ParseResult parsed, Option<int> option, int least, int most)
    {
        int value = parsed.GetValue(option);
        return value >= least && value <= most ? value
            : throw new OptionsException(option.Name, $"{value} is not in {least} to {most}");
    }
}
