namespace PdEngine.Tests;

/// <summary>A router and workers on the fake model, stepped by the test.</summary>
internal sealed class RouterRig : IDisposable
{
    private readonly SchedulerOptions _options;
    private readonly List<FakeModelRunner> _runners = [];
    private long _requestCount;

    /// <param name="sharesDomain">One domain for all, else one for each.</param>
    /// <param name="blockCounts">Blocks of each domain; the last one's where there are fewer.</param>
    /// <param name="options">Of every worker.</param>
    /// <param name="roles">One worker each.</param>
    public RouterRig(
        bool sharesDomain, int[] blockCounts, SchedulerOptions options, params WorkerType[] roles)
    {
        _options = options;
        Clock.Advance(TimeSpan.FromSeconds(1));
        int domainCount = sharesDomain ? 1 : roles.Length;
        Domains = [.. Enumerable.Range(0, domainCount).Select(i => new KvDomain(
            blockCounts[Math.Min(i, blockCounts.Length - 1)], PageSize))];
        Memories = [.. Domains.Select(domain => new FakeKvMemory(domain.Pool))];
        Router = new(new RouterOptions
        {
            Regular = RouterPolicy.RoundRobin,
            Prefill = RouterPolicy.RoundRobin,
            Decode = RouterPolicy.RoundRobin,
            Disaggregate = DisaggregateMode.Always,
            Clock = Clock,
            Transfer = OpenTransfer,
        });
        Slots = [.. roles.Select((role, number) => new WorkerSlot(
            number, $"{role}-{number}", role, Make, hasThread: false))];
        Router.Connect(Slots);
    }

    public static int PageSize => 4;

    public static SchedulerOptions Options { get; } = new() { ContextTokens = 4096, LooksAhead = true };

    public SteppedClock Clock { get; } = new();

    public IReadOnlyList<KvDomain> Domains { get; }

    public IReadOnlyList<FakeKvMemory> Memories { get; }

    public Router Router { get; }

    public IReadOnlyList<WorkerSlot> Slots { get; }

    /// <summary>Of the last hand-off.</summary>
    public FakeKvTransfer? Transfer { get; private set; }

    public IKvTransfer OpenTransfer(int source, int target) =>
        Transfer = new(Memories[source], Memories[target]);

    public FakeModelRunner Runner(int number) => _runners[number];

    public Worker Worker(int number) => Slots[number].Worker;

    public SimulatedCall Submit(int[] prompt, int newTokens)
    {
        SimulatedCall call = new(new Request
        {
            Id = new(++_requestCount),
            PromptTokens = prompt,
            Seed = (ulong)_requestCount,
            StopTokenIds = [],
            PenaltyPromptCount = prompt.Length,
            Sampling = new() { MaxNewTokens = newTokens },
        });
        Router.Submit(call.Open(Clock.GetTimestamp()));
        return call;
    }

    public void Abort(SimulatedCall call)
    {
        call.AbortPosted = true;
        call.Sequence!.AbortRequested = true;
        foreach (WorkerSlot slot in Slots)
            slot.Worker.TryPost(new WorkerCommand.Abort(call.Sequence));
    }

    public void Kill(int number)
    {
        Worker(number).TryPost(new WorkerCommand.Die(new InvalidOperationException("killed")));
        Worker(number).Step();
    }

    /// <summary>Every living worker makes a step.</summary>
    public void Step()
    {
        foreach (WorkerSlot slot in Slots)
        {
            if (!slot.Worker.IsDead)
                slot.Worker.Step();
        }
        foreach (KvDomain domain in Domains)
            domain.CheckConservation();
    }

    /// <summary>Steps until every call has ended, and judges them.</summary>
    public void RunToEnd(params SimulatedCall[] calls)
    {
        for (int round = 0; calls.Any(call => !call.IsFinished); round++)
        {
            Check.That(round < 10_000);
            Step();
        }
        foreach (SimulatedCall call in calls)
            call.Judge(_options.ContextTokens);
    }

    /// <summary>Nobody holds a block any more, but for caches.</summary>
    public void AssertEmpty()
    {
        foreach (KvDomain domain in Domains)
        {
            domain.Cache.Flush();
            Assert.That(domain.Pool.FreeCount, Is.EqualTo(domain.Pool.BlockCount));
            Assert.That(domain.HolderCount, Is.Zero);
        }
    }

    public void Dispose()
    {
        foreach (WorkerSlot slot in Slots)
            slot.Dispose();
    }

    private (Worker, IDisposable) Make(WorkerSlot slot)
    {
        int domain = Math.Min(slot.Number, Domains.Count - 1);
        FakeModelRunner runner = new(Memories[domain]);
        if (slot.Number < _runners.Count)
            _runners[slot.Number] = runner;
        else
            _runners.Add(runner);
        KvSpace space = new(Domains[domain], _options.QuotaBlocks, _options.UsesPrefixCache);
        return (new Worker(slot.Name, _options, space, runner, Clock, Router.Rescue), runner);
    }
}
