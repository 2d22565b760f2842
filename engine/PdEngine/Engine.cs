namespace PdEngine;

/// <summary>
/// An engine with one or several models: submit prompts, await or stream their output. Its own methods serve
/// the first model; <see cref="GetModel"/> gives the others. Every member is thread-safe.
/// </summary>
/// <example>
/// <code>
/// await using Engine engine = await Engine.StartAsync(new EngineOptions { ModelPath = "SmolLM2.gguf" });
/// Generation answer = await engine.GenerateAsync(new GenerateRequest { Text = "Once upon a time" });
/// </code>
/// </example>
public sealed class Engine : IAsyncDisposable
{
    private readonly EngineParts _parts;
    private readonly EngineModel[] _models;
    private readonly Lazy<Task> _disposal;
    private volatile bool _disposed;

    private Engine(EngineParts parts, EngineOptions options)
    {
        _parts = parts;
        _models = [.. parts.Models.Select(model => new EngineModel(model, options, () => _disposed))];
        _disposal = new(() => Task.Run(EndAndRelease));
    }

    /// <summary>The services that were started, the first being the one that the engine's own methods
    /// serve.</summary>
    public IReadOnlyList<EngineModel> Models => _models;

    /// <inheritdoc cref="EngineModel.Tokenizer"/>
    public Tokenizer? Tokenizer => _models[0].Tokenizer;

    /// <inheritdoc cref="EngineModel.HasChatTemplate"/>
    public bool HasChatTemplate => _models[0].HasChatTemplate;

    /// <inheritdoc cref="EngineModel.ContextTokens"/>
    public int ContextTokens => _models[0].ContextTokens;

    /// <inheritdoc cref="EngineModel.VocabularySize"/>
    public int VocabularySize => _models[0].VocabularySize;

    /// <inheritdoc cref="EngineModel.BackendName"/>
    public string BackendName => _models[0].BackendName;

    /// <inheritdoc cref="EngineModel.Metrics"/>
    public EngineMetrics Metrics => _models[0].Metrics;

    /// <summary>What a user should know of how it runs, for example that devices share cores.</summary>
    public IReadOnlyList<string> Notices => _parts.Notices;

    /// <summary>Loads checkpoints and starts an engine on them.</summary>
    /// <param name="options">What to load and how to run it.</param>
    /// <param name="cancellationToken">Ends loading early.</param>
    /// <exception cref="OptionsException">An option has a value that no engine can start with.</exception>
    /// <exception cref="TopologyException">The plan cannot be served.</exception>
    /// <exception cref="CheckpointException">
    /// A checkpoint is missing, malformed or not supported.
    /// </exception>
    /// <exception cref="BackendException">
    /// This machine cannot run the backend, or has too little memory.
    /// </exception>
    public static Task<Engine> StartAsync(
        EngineOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        return Task.Run(
            () => new Engine(EngineParts.Build(options, cancellationToken), options), cancellationToken);
    }

    /// <summary>The service of this name.</summary>
    /// <exception cref="OptionsException">No such service was started.</exception>
    public EngineModel GetModel(string name) =>
        _models.FirstOrDefault(model => model.Name == name) ?? throw new OptionsException("service",
            $"no service '{name}' was started; there are "
                + string.Join(", ", _models.Select(model => model.Name)));

    /// <inheritdoc cref="EngineModel.Stream"/>
    public TokenStream Stream(GenerateRequest request) => _models[0].Stream(request);

    /// <inheritdoc cref="EngineModel.GenerateAsync(GenerateRequest, CancellationToken)"/>
    public Task<Generation> GenerateAsync(
        GenerateRequest request, CancellationToken cancellationToken = default) =>
        _models[0].GenerateAsync(request, cancellationToken);

    /// <inheritdoc cref="EngineModel.GenerateAsync(IReadOnlyList{GenerateRequest}, CancellationToken)"/>
    public Task<IReadOnlyList<Generation>> GenerateAsync(
        IReadOnlyList<GenerateRequest> requests, CancellationToken cancellationToken = default) =>
        _models[0].GenerateAsync(requests, cancellationToken);

    /// <inheritdoc
    /// cref="EngineModel.ScoreAsync(ReadOnlyMemory{int}, int, SamplingParams, CancellationToken)"/>
    public Task<ScoredTokens> ScoreAsync(
        ReadOnlyMemory<int> tokens, int promptLength, SamplingParams sampling,
        CancellationToken cancellationToken = default) =>
        _models[0].ScoreAsync(tokens, promptLength, sampling, cancellationToken);

    /// <inheritdoc cref="EngineModel.Abort(RequestId)"/>
    public void Abort(RequestId id) => _models[0].Abort(id);

    /// <summary>Ends every request of every model that was submitted before this, with the output it
    /// has.</summary>
    public void AbortAll()
    {
        foreach (EngineModel model in _models)
            model.AbortAll();
    }

    /// <summary>Forgets every cached prefix that no running request uses.</summary>
    public void FlushCache()
    {
        foreach (EngineModel model in _models)
            model.FlushCache();
    }

    private void EndAndRelease()
    {
        foreach (IDisposable model in _models)
            model.Dispose();
        _parts.Dispose();
    }

    /// <summary>
    /// Ends every request with the output it has, and gives all memory back; done once, awaited by every
    /// caller.
    /// </summary>
    public ValueTask DisposeAsync()
    {
        _disposed = true;
        return new ValueTask(_disposal.Value);
    }
}
