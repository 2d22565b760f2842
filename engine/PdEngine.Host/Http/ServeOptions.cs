namespace PdEngine.Host;

/// <summary>How a server listens, whom it lets in, and its limits.</summary>
internal sealed record ServeOptions
{
    /// <summary>An address, <c>localhost</c>, or 0.0.0.0 and [::] for all.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>0 takes any that is free.</summary>
    public int Port { get; init; } = 30000;

    /// <summary>Who asks must have it; null lets everybody in.</summary>
    public AccessKey? ApiKey { get; init; }

    /// <summary>
    /// Weights, memory, pauses, flushes and aborts of everything need it; null: the other one.
    /// </summary>
    public AccessKey? AdminKey { get; init; }

    /// <summary>Listens beyond loopback without a key.</summary>
    public bool IsInsecure { get; init; }

    /// <summary>Host names that requests may be addressed to, besides those of the bind.</summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>Weights are read from inside this folder only; null: the model's folder.</summary>
    public string? WeightsRoot { get; init; }

    /// <summary>Longest body, but for weights.</summary>
    public long MaxBodyBytes { get; init; } = 64L << 20;

    /// <summary>Longest body that brings weights.</summary>
    public long MaxWeightsBodyBytes { get; init; } = 1L << 30;

    /// <summary>A request that takes longer ends with what it has.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(14400);

    /// <summary>How long accepted requests may go on once the server is told to end.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A reader that takes nothing for so long is given up, and its request aborted.</summary>
    public TimeSpan WriteTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>What <c>/health_generate</c> waits for its token.</summary>
    public TimeSpan HealthTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>A line for each request.</summary>
    public bool LogsRequests { get; init; }

    /// <summary>These lines have the request's body too.</summary>
    public bool LogsPrompts { get; init; }

    /// <summary>What these lines look like.</summary>
    public LogFormat LogFormat { get; init; }

    /// <summary>Spans and metrics for a collector; null exports nothing.</summary>
    public OtlpOptions? Otlp { get; init; }

    /// <summary>Where log lines go.</summary>
    public TextWriter Log { get; init; } = TextWriter.Null;

    /// <summary>What is served where there is no plan, to be told.</summary>
    public string? ModelPath { get; init; }

    /// <summary>Seed of requests that bring none.</summary>
    public ulong Seed { get; init; }
}
