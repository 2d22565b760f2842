using System.Collections.Concurrent;
using System.Diagnostics;

namespace PdEngine;

/// <summary>
/// One model service of an engine: a checkpoint, its workers, and the router in front of them. Every member
/// is thread-safe.
/// </summary>
public sealed partial class EngineModel : IDisposable
{
    /// <summary>How often requests are held against their timeout.</summary>
    private static readonly TimeSpan AgeingPeriod = TimeSpan.FromSeconds(1);

    private readonly ModelParts _parts;
    private readonly RequestIntake _intake;
    private readonly TimeProvider _clock;
    private readonly Func<bool> _isDisposed;
    private readonly ConcurrentDictionary<RequestId, Sequence> _live = new();
    private readonly ITimer? _ager;
    private readonly VersionDoor _door;
    private readonly WeightUpdates _updates;
    private long _requestCount;
    private int _rolloutCount;

    internal EngineModel(ModelParts parts, EngineOptions options, Func<bool> isDisposed)
    {
        _parts = parts;
        _clock = options.Clock;
        _isDisposed = isDisposed;
        _door = new(parts.Versions, parts.Router.Submit, _clock);
        _updates = new(parts, _clock, AbortRunning, _door.Open);
        if (parts.RequestTimeout != Timeout.InfiniteTimeSpan)
            _ager = _clock.CreateTimer(_ => EndOverdue(), null, AgeingPeriod, AgeingPeriod);
        _intake = new(parts.Config, parts.Tokenizer, parts.Template, parts.ContextTokens, options.Seed);
    }

    /// <summary>The service's name in the plan.</summary>
    public string Name => _parts.Name;

    /// <summary>The checkpoint's tokenizer, or null where it has none.</summary>
    public Tokenizer? Tokenizer => _parts.Tokenizer;

    /// <summary>Whether <see cref="GenerateRequest.Messages"/> can be rendered.</summary>
    public bool HasChatTemplate => _parts.Template is not null;

    /// <summary>Longest sequence, prompt and output together, in tokens.</summary>
    public int ContextTokens => _parts.ContextTokens;

    /// <summary>Token ids are in [0, this).</summary>
    public int VocabularySize => _parts.Config.VocabularySize;

    /// <summary>
    /// It is a reward model: it scores (<see cref="ScoredTokens.Reward"/>) and generates nothing.
    /// </summary>
    public bool IsReward => _parts.Config.IsReward;

    /// <summary>What computes, for example <c>cpu/avx512</c>.</summary>
    public string BackendName => _parts.BackendName;

    /// <summary>Name of the weights that tokens are made with now.</summary>
    public string WeightVersion => _parts.Versions.Current;

    /// <summary>Counters as of the last step.</summary>
    public EngineMetrics Metrics => _parts.Metrics();

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
            _parts.Router.ThrowIfNeverFits(request);
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
    /// reports; of a reward model their reward.
    /// </summary>
    /// <param name="tokens">Prompt and response [tokens].</param>
    /// <param name="promptLength">How many of them count as prompt for the penalties.</param>
    /// <param name="sampling">
    /// The parameters of the generation; bias, penalties and temperature count.
    /// </param>
    /// <param name="cancellationToken">Aborts the request; the task is then cancelled.</param>
    /// <returns>One entry for each token; the first has no log-prob. Of a reward model the reward.</returns>
    /// <exception cref="WorkerException">The computation failed.</exception>
    /// <inheritdoc cref="Stream" path="/exception"/>
    public async Task<ScoredTokens> ScoreAsync(
        ReadOnlyMemory<int> tokens, int promptLength, SamplingParams sampling,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sampling);
        cancellationToken.ThrowIfCancellationRequested();
        TokenStream stream = Submit(_intake.AdmitScore(tokens, promptLength, sampling, NextId()));
        return await ScoresOfAsync(stream, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// The same, by weights of one version: where the service has others, or takes others meanwhile, it
    /// throws.
    /// </summary>
    /// <param name="tokens">Prompt and response [tokens].</param>
    /// <param name="promptLength">How many of them count as prompt for the penalties.</param>
    /// <param name="sampling">The parameters of the generation.</param>
    /// <param name="version">
    /// What made the tokens, for example <see cref="Generation.WeightVersion"/>.
    /// </param>
    /// <param name="cancellationToken">Aborts the request; the task is then cancelled.</param>
    /// <exception cref="WeightVersionMismatchException">The weights are of another version.</exception>
    /// <inheritdoc cref="ScoreAsync(ReadOnlyMemory{int}, int, SamplingParams, CancellationToken)"/>
    public async Task<ScoredTokens> ScoreAsync(
        ReadOnlyMemory<int> tokens, int promptLength, SamplingParams sampling, string version,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sampling);
        ArgumentNullException.ThrowIfNull(version);
        cancellationToken.ThrowIfCancellationRequested();
        if (WeightVersion is { } present && present != version)
            throw new WeightVersionMismatchException(version, present, _parts.Versions.HasReached(version));
        Request request = _intake.AdmitScore(tokens, promptLength, sampling, NextId());
        TokenStream stream = Submit(request with { ExactWeightVersion = version });
        return await ScoresOfAsync(stream, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Scores what a generation made, by the very values that it reported: that holds where all its tokens,
    /// and the K and V that they came from, are of the present weights; else it throws.
    /// </summary>
    /// <param name="generation">What to score.</param>
    /// <param name="sampling">Its parameters.</param>
    /// <param name="cancellationToken">Aborts the request; the task is then cancelled.</param>
    /// <exception cref="WeightVersionMismatchException">Some are of other weights.</exception>
    /// <inheritdoc cref="ScoreAsync(ReadOnlyMemory{int}, int, SamplingParams, CancellationToken)"/>
    public Task<ScoredTokens> ScoreAsync(
        Generation generation, SamplingParams sampling, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(generation);
        string present = WeightVersion;
        if (generation.HasMixedKv)
        {
            throw new WeightVersionMismatchException(
                "The generation's K and V are of several versions: no weights give its log-probs again. "
                + "Score its tokens by the present ones instead.", generation.WeightVersion, present);
        }
        foreach (WeightVersionRun run in generation.WeightVersions)
        {
            if (run.Version != present)
                throw new WeightVersionMismatchException(run.Version, present);
        }
        int[] tokens = [.. generation.PromptIds.Span, .. generation.OutputIds];
        return ScoreAsync(tokens, generation.PromptIds.Length, sampling, present, cancellationToken);
    }

    /// <summary>
    /// Ends a request at the next step with the output it has; nothing happens where it has ended.
    /// </summary>
    public void Abort(RequestId id)
    {
        if (_live.TryGetValue(id, out Sequence? sequence))
            Abort(sequence);
    }

    /// <summary>Ends every request submitted before this at the next step, with the output it has.</summary>
    public void AbortAll()
    {
        foreach (Sequence sequence in _live.Values)
            Abort(sequence);
    }

    /// <summary>Forgets every cached prefix that no running request uses.</summary>
    public void FlushCache()
    {
        foreach (WorkerSlot slot in _parts.Router.Slots)
            slot.Worker.TryPost(new WorkerCommand.FlushCache());
    }

    /// <summary>The service's workers, dead ones included.</summary>
    public IReadOnlyList<WorkerStatus> Workers =>
        [.. _parts.Router.Slots.Select(slot => WorkerStatus.Of(slot))];

    /// <summary>Starts a failed worker anew, on its devices; the others go on serving.</summary>
    /// <exception cref="OptionsException">There is no such worker.</exception>
    /// <exception cref="InvalidOperationException">It has not failed.</exception>
    public void RestartWorker(string name) => _parts.Router.Restart(Slot(name));

    /// <summary>
    /// Fails a worker, as a fault would: its requests are computed anew elsewhere. It is dead when this
    /// returns. For tests and drills.
    /// </summary>
    /// <exception cref="OptionsException">There is no such worker.</exception>
    public void KillWorker(string name)
    {
        Worker worker = Slot(name).Worker;
        InvalidOperationException cause = new("it was killed on request");
        if (worker.TryAbandon(cause) || !worker.TryPost(new WorkerCommand.Die(cause)))
            return;
        while (!worker.IsDead && !worker.TryAbandon(cause))
            Thread.Sleep(1);
    }

    /// <summary>Who holds KV blocks now.</summary>
    public KvLeakReport LeakReport() => _parts.LeakReport(_live.Count);

    /// <summary>Numbers the rollout sessions that it has had.</summary>
    internal int NextRolloutNumber() => Interlocked.Increment(ref _rolloutCount);

    /// <summary>The tokens that a prompt is sent as.</summary>
    internal int[] Encode(RolloutPrompt prompt) => _intake.Encode(new GenerateRequest
    {
        InputIds = prompt.InputIds, Text = prompt.Text, Messages = prompt.Messages,
    });

    /// <summary>The engine's: lets an update in progress finish, and takes no more requests.</summary>
    void IDisposable.Dispose()
    {
        _updates.Dispose();
        _ager?.Dispose();
        _door.EndAll();
    }

    private void Ended(Generation generation)
    {
        _live.TryRemove(generation.Id, out _);
        _parts.Instruments.Record(generation);
        RequestEnded?.Invoke(generation);
    }

    private void EndOverdue()
    {
        foreach (Sequence sequence in _live.Values)
        {
            TimeSpan age = _clock.GetElapsedTime(sequence.Times.SubmittedTicks, _clock.GetTimestamp());
            if (age <= _parts.RequestTimeout)
                continue;
            sequence.AbortCause ??= new TimeoutException(
                $"The request has taken {age.TotalSeconds:F0} s, over the "
                + $"{_parts.RequestTimeout.TotalSeconds} s of router_request_timeout_secs.");
            Abort(sequence);
        }
    }

    private void AbortRunning()
    {
        foreach (Sequence sequence in _live.Values)
        {
            if (!_door.Holds(sequence))
                Abort(sequence);
        }
    }

    private static async Task<ScoredTokens> ScoresOfAsync(
        TokenStream stream, CancellationToken cancellationToken)
    {
        Generation scored = await FinishAsync(stream, cancellationToken).ConfigureAwait(false);
        if (scored.Error is { } error)
            throw error;
        if (scored.FinishReason == FinishReason.Abort)
            throw new OperationCanceledException("The scoring was aborted before its end.");
        return new ScoredTokens(scored);
    }

    /// <summary>The mark reaches the sequence wherever it is; the command wakes whoever has it.</summary>
    private void Abort(Sequence sequence)
    {
        sequence.AbortRequested = true;
        if (_door.TryEnd(sequence))
            return;
        foreach (WorkerSlot slot in _parts.Router.Slots)
            slot.Worker.TryPost(new WorkerCommand.Abort(sequence));
    }

    private WorkerSlot Slot(string name) =>
        _parts.Router.Slots.FirstOrDefault(slot => slot.Name == name) ?? throw new OptionsException("worker",
            $"there is no worker '{name}' in service '{Name}'; there are "
                + string.Join(", ", _parts.Router.Slots.Select(slot => slot.Name)));

    private RequestId NextId() => new(Interlocked.Increment(ref _requestCount));

    private TokenStream Submit(Request request)
    {
        ObjectDisposedException.ThrowIf(_isDisposed(), this);
        TokenStream stream = new(request.Id, Abort, _parts.StreamInterval);
        SequenceDecoder observer = new(
            _parts.Tokenizer, request.Sampling, stream, _clock, WeightVersion, Ended);
        Sequence sequence = new(request, observer, _clock.GetTimestamp());
        Activity? span = _parts.Tracer.Begin(request, sequence.Times);
        stream.Trace = span?.Context;
        _live[request.Id] = sequence;
        try
        {
            _parts.Router.ThrowIfNeverFits(request);
            if (!_door.TryHold(sequence))
                _parts.Router.Submit(sequence);
        }
        catch (Exception refusal)
        {
            _live.TryRemove(request.Id, out _);
            if (span is not null)
                RequestTracer.Refuse(span, refusal);
            throw;
        }
        if (span is not null)
            _parts.Tracer.EndWith(span, request, sequence.Times, stream.Completion);
        return stream;
    }

    private static async Task<Generation> FinishAsync(TokenStream stream, CancellationToken cancellationToken)
    {
        using CancellationTokenRegistration registration = cancellationToken.Register(stream.Abort);
        Generation generation = await stream.Completion.ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return generation;
    }
}
