using System.Collections.Concurrent;

namespace PdEngine;

/// <summary>
/// An engine with one model: submit prompts, await or stream their output. Every member is thread-safe.
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
    private readonly RequestIntake _intake;
    private readonly WorkerLoop _loop;
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<RequestId, Sequence> _live = new();
    private long _requestCount;
    private readonly Lazy<Task> _disposal;
    private volatile bool _disposed;

    private Engine(EngineParts parts, EngineOptions options)
    {
        _parts = parts;
        _clock = options.Clock;
        _intake = new(parts.Config, parts.Tokenizer, parts.Template, parts.ContextTokens, options.Seed);
        _loop = new(parts.Worker);
        _disposal = new(() => Task.Run(EndAndRelease));
    }

    /// <summary>The checkpoint's tokenizer, or null where it has none.</summary>
    public Tokenizer? Tokenizer => _parts.Tokenizer;

    /// <summary>Whether <see cref="GenerateRequest.Messages"/> can be rendered.</summary>
    public bool HasChatTemplate => _parts.Template is not null;

    /// <summary>Longest sequence, prompt and output together, in tokens.</summary>
    public int ContextTokens => _parts.ContextTokens;

    /// <summary>Token ids are in [0, this).</summary>
    public int VocabularySize => _parts.Config.VocabularySize;

    /// <summary>What computes, for example <c>cpu/avx512</c>.</summary>
    public string BackendName => _parts.Backend.Name;

    /// <summary>Counters as of the last step.</summary>
    public EngineMetrics Metrics => _parts.Metrics();

    /// <summary>Loads a checkpoint and starts an engine on it.</summary>
    /// <param name="options">What to load and how to run it.</param>
    /// <param name="cancellationToken">Ends loading early.</param>
    /// <exception cref="OptionsException">An option has a value that no engine can start with.</exception>
    /// <exception cref="CheckpointException">
    /// The checkpoint is missing, malformed or not supported.
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

    /// <summary>Submits a request and returns its output as it is made.</summary>
    /// <exception cref="RequestException">The request is not valid; the message names the field.</exception>
    /// <exception cref="CapacityException">It can never fit, or the queue is full.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been disposed of.</exception>
    public TokenStream Stream(GenerateRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return Submit(_intake.Admit(request, NextId()));
    }

    /// <summary>Generates to the end. A failure while running is in <see cref="Generation.Error"/>.</summary>
    /// <param name="request">What to generate.</param>
    /// <param name="cancellationToken">Aborts the request; the task is then cancelled.</param>
    /// <inheritdoc cref="Stream" path="/exception"/>
    public async Task<Generation> GenerateAsync(
        GenerateRequest request, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return await FinishAsync(Stream(request), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Generates a batch; results are in the order of the requests, which all run at once.</summary>
    /// <remarks>All requests are checked before the first one runs.</remarks>
    /// <inheritdoc cref="GenerateAsync(GenerateRequest, CancellationToken)" path="/param"/>
    /// <inheritdoc cref="Stream" path="/exception"/>
    public async Task<IReadOnlyList<Generation>> GenerateAsync(
        IReadOnlyList<GenerateRequest> requests, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(requests);
        cancellationToken.ThrowIfCancellationRequested();
        Request[] admitted = [.. requests.Select(request => _intake.Admit(request, NextId()))];
        foreach (Request request in admitted)
            _parts.Worker.ThrowIfNeverFits(request);
        List<TokenStream> streams = [];
        try
        {
            foreach (Request request in admitted)
                streams.Add(Submit(request));
        }
        catch
        {
            streams.ForEach(stream => stream.Abort());
            throw;
        }
        return await Task.WhenAll(streams.Select(stream => FinishAsync(stream, cancellationToken)))
            .ConfigureAwait(false);
    }

    /// <summary>
    /// Log-probs of given tokens, by the very definition and bit for bit the values that generating them
    /// reports.
    /// </summary>
    /// <param name="tokens">Prompt and response [tokens].</param>
    /// <param name="promptLength">How many of them count as prompt for the penalties.</param>
    /// <param name="sampling">
    /// The parameters of the generation; bias, penalties and temperature count.
    /// </param>
    /// <param name="cancellationToken">Aborts the request; the task is then cancelled.</param>
    /// <returns>One entry for each token; the first has no log-prob.</returns>
    /// <exception cref="WorkerException">The computation failed.</exception>
    /// <inheritdoc cref="Stream" path="/exception"/>
    public async Task<IReadOnlyList<TokenLogProb>> ScoreAsync(
        ReadOnlyMemory<int> tokens, int promptLength, SamplingParams sampling,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sampling);
        cancellationToken.ThrowIfCancellationRequested();
        TokenStream stream = Submit(_intake.AdmitScore(tokens, promptLength, sampling, NextId()));
        Generation scored = await FinishAsync(stream, cancellationToken).ConfigureAwait(false);
        return scored.Error is { } error ? throw error : scored.InputLogProbs;
    }

    /// <summary>
    /// Ends a request at the next step with the output it has; nothing happens where it has ended.
    /// </summary>
    public void Abort(RequestId id)
    {
        if (_live.TryGetValue(id, out Sequence? sequence))
            Post(new WorkerCommand.Abort(sequence));
    }

    /// <summary>Ends every request submitted before this at the next step, with the output it has.</summary>
    public void AbortAll() => Post(new WorkerCommand.AbortAll());

    /// <summary>Forgets every cached prefix that no running request uses.</summary>
    public void FlushCache() => Post(new WorkerCommand.FlushCache());

    /// <summary>
    /// Ends every request with the output it has, and gives all memory back; done once, awaited by every
    /// caller.
    /// </summary>
    public ValueTask DisposeAsync()
    {
        _disposed = true;
        return new ValueTask(_disposal.Value);
    }

    private void EndAndRelease()
    {
        _loop.Dispose();
        _parts.Dispose();
    }

    private RequestId NextId() => new(Interlocked.Increment(ref _requestCount));

    private TokenStream Submit(Request request)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        TokenStream stream = new(request.Id, Abort);
        SequenceDecoder observer = new(
            _parts.Tokenizer, request.Sampling, stream, _clock, id => _live.TryRemove(id, out _));
        Sequence sequence = new(request, observer, _clock.GetTimestamp());
        _live[request.Id] = sequence;
        try
        {
            _parts.Worker.Submit(sequence);
        }
        catch
        {
            _live.TryRemove(request.Id, out _);
            throw;
        }
        return stream;
    }

    private static async Task<Generation> FinishAsync(TokenStream stream, CancellationToken cancellationToken)
    {
        using CancellationTokenRegistration registration = cancellationToken.Register(stream.Abort);
        Generation generation = await stream.Completion.ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return generation;
    }

    private void Post(WorkerCommand command)
    {
        try
        {
            _parts.Worker.Post(command);
        }
        catch (ObjectDisposedException)
        {
            // Stopping ends every request by itself: there is nothing left to ask for.
        }
    }
}
