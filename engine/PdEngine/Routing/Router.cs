using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>
/// Picks the workers of each request of one service, from what their caches hold and how much they have to
/// do, and finds others for sequences whose worker failed. Every member may be called by any thread.
/// </summary>
internal sealed class Router
{
    /// <summary>Workers that a sequence may lose before it ends with an error.</summary>
    private const int MaxFailures = 2;

    private readonly Lock _gate = new();
    private readonly RouterOptions _options;
    private readonly RoutePolicy _regularPolicy;
    private readonly RoutePolicy _prefillPolicy;
    private readonly RoutePolicy _decodePolicy;
    private readonly PdDecider _decider;
    private readonly List<RouteCandidate> _candidates = [];
    private readonly List<WorkerSlot> _picked = [];
    private WorkerSlot[] _slots = [];

    public Router(RouterOptions options)
    {
        _options = options;
        _regularPolicy = RoutePolicy.Create(options.Regular, options.Seed, options.Clock);
        _prefillPolicy = RoutePolicy.Create(options.Prefill, options.Seed + 1, options.Clock);
        _decodePolicy = RoutePolicy.Create(options.Decode, options.Seed + 2, options.Clock);
        _decider = new(options.Disaggregate, options.LocalTokens);
    }

    public IReadOnlyList<WorkerSlot> Slots => _slots;

    /// <summary>
    /// Held while a worker is made, and while all are told of a change: none is made in the old state and
    /// told nothing.
    /// </summary>
    public Lock Swapping { get; } = new();

    /// <summary>
    /// Names the workers; once, before the first request. Prefill and decode share one domain, or none: one
    /// that both sends blocks to others and receives them could wait for itself. <see cref="KvPools"/> makes
    /// no such one.
    /// </summary>
    public void Connect(IReadOnlyList<WorkerSlot> slots)
    {
        HashSet<KvDomain> sources = DomainsOf(WorkerType.Prefill), targets = DomainsOf(WorkerType.Decode);
        Check.That(!sources.Overlaps(targets) || sources.Union(targets).Count() == 1);
        _slots = [.. slots];

        HashSet<KvDomain> DomainsOf(WorkerType role) =>
            [.. slots.Where(slot => slot.Role == role).Select(slot => slot.Worker.Space.Domain)];
    }

    /// <exception cref="CapacityException">No worker that might serve it ever could.</exception>
    public void ThrowIfNeverFits(Request request)
    {
        foreach (WorkerSlot slot in _slots)
            slot.Worker.ThrowIfNeverFits(request);
    }

    /// <summary>Gives a new sequence to a worker.</summary>
    /// <exception cref="CapacityException">It can never fit, or a queue is full.</exception>
    /// <exception cref="WorkerException">Every worker has failed.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been stopped.</exception>
    public void Submit(Sequence sequence)
    {
        ThrowIfNeverFits(sequence.Request);
        lock (_gate)
        {
            while (Choose(sequence, except: null) is { } route)
            {
                if (TrySubmit(sequence, route))
                    return;
            }
            throw new WorkerException(
                [.. _slots.Select(slot => slot.Worker.Failure).OfType<WorkerException>()]);
        }
    }

    /// <summary>
    /// Gives a sequence that lost its worker to another, or to the same where that one lives on alone.
    /// </summary>
    public bool Rescue(Sequence sequence, Worker failed, WorkerException error)
    {
        if (sequence.FailureCount > MaxFailures)
            return false;
        lock (_gate)
        {
            while ((Choose(sequence, failed) ?? Choose(sequence, except: null)) is { } route)
            {
                Handoff? handoff = Open(sequence, route);
                if (route.First.Worker.TryResubmit(sequence, handoff))
                    return true;
                handoff?.Abandon();
                if (!route.First.Worker.IsDead)
                    return false;
            }
            return false;
        }
    }

    /// <summary>Starts a failed worker anew.</summary>
    public void Restart(WorkerSlot slot)
    {
        slot.Restart(_gate, Swapping);
        lock (_gate)
        {
            _regularPolicy.Forget(slot.Number);
            _prefillPolicy.Forget(slot.Number);
            _decodePolicy.Forget(slot.Number);
        }
    }

    /// <summary>False where the worker has failed since it was picked.</summary>
    private bool TrySubmit(Sequence sequence, Route route)
    {
        Handoff? handoff = Open(sequence, route);
        Worker worker = route.First.Worker;
        try
        {
            handoff?.Target.ThrowIfDecodeQueueFull();
            worker.Submit(sequence, handoff);
            return true;
        }
        catch (ObjectDisposedException) when (worker.IsDead)
        {
            handoff?.Abandon();
            return false;
        }
        catch
        {
            handoff?.Abandon();
            throw;
        }
    }

    private Route? Choose(Sequence sequence, Worker? except)
    {
        Request request = sequence.Request;
        RouteKey key = new(
            sequence.Tokens.ToArray(), request.RoutingKey, request.SessionId, request.Id.Value);
        if (Pick(WorkerType.Regular, _regularPolicy, key, except, out _) is { } regular)
            return new(regular, regular, PdReasons.Colocated);
        bool hasPrefill = HasLive(WorkerType.Prefill, except, out long pendingTokens);
        bool decodes = request.Sampling.MaxNewTokens > 1 || !hasPrefill;
        int cachedTokens = 0;
        WorkerSlot? decode = decodes
            ? Pick(WorkerType.Decode, _decodePolicy, key, except, out cachedTokens)
            : null;
        if (decode is null)
        {
            string reason = decodes ? PdReasons.NoDecodeWorker : PdReasons.NothingToDecode;
            if (Pick(WorkerType.Prefill, _prefillPolicy, key, except, out _) is { } alone)
                return new(alone, alone, reason);
            // The last one may have failed since it was counted.
            return hasPrefill ? Choose(sequence, except) : null;
        }
        PdDecision decision = _decider.Decide(
            sequence.TokenCount, cachedTokens, pendingTokens, decode.Worker.RequestCount, hasPrefill,
            hasDecode: true);
        WorkerSlot? first = decision.Disaggregates
            ? Pick(WorkerType.Prefill, _prefillPolicy, key, except, out _)
            : decode;
        return first is null ? Choose(sequence, except) : new(first, decode, decision.Reason);
    }

    private bool HasLive(WorkerType role, Worker? except, out long leastPendingTokens)
    {
        leastPendingTokens = long.MaxValue;
        foreach (WorkerSlot slot in _slots)
        {
            Worker worker = slot.Worker;
            if (slot.Role == role && !worker.IsDead && worker != except)
                leastPendingTokens = Math.Min(leastPendingTokens, worker.PendingTokens);
        }
        return leastPendingTokens < long.MaxValue;
    }

    private WorkerSlot? Pick(
        WorkerType role, RoutePolicy policy, in RouteKey key, Worker? except, out int cachedTokens)
    {
        _candidates.Clear();
        _picked.Clear();
        foreach (WorkerSlot slot in _slots)
        {
            Worker worker = slot.Worker;
            if (slot.Role != role || worker.IsDead || worker == except)
                continue;
            ReadOnlySpan<int> prompt = key.PromptTokens.Span;
            int cached = worker.Space.Peek(prompt, prompt.Length).BlockCount * worker.Space.PageSize;
            _candidates.Add(new(slot.Number, worker.RequestCount, worker.PendingTokens, cached));
            _picked.Add(slot);
        }
        cachedTokens = 0;
        if (_picked.Count == 0)
            return null;
        int index = policy.Pick(key, CollectionsMarshal.AsSpan(_candidates));
        cachedTokens = _candidates[index].CachedTokens;
        return _picked[index];
    }

    private Handoff? Open(Sequence sequence, Route route)
    {
        sequence.Pd.Path = PdPath.Local;
        sequence.Pd.Reason = route.Reason;
        if (route.First == route.Decode)
            return null;
        Worker source = route.First.Worker, target = route.Decode.Worker;
        IKvTransfer? transfer = source.Space.Domain == target.Space.Domain
            ? null
            : _options.Transfer(route.First.Number, route.Decode.Number);
        return new Handoff(sequence, source, target, transfer);
    }

    /// <summary>Who computes the prompt, who decodes, and why.</summary>
    private readonly record struct Route(WorkerSlot First, WorkerSlot Decode, string Reason);
}
