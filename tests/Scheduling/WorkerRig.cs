namespace PdEngine.Tests;

/// <summary>A worker on the fake model, stepped by the test.</summary>
internal sealed class WorkerRig : IDisposable
{
    private long _requestCount;

    public WorkerRig(int blockCount, int pageSize, SchedulerOptions options, bool runsAhead = false)
    {
        Options = options;
        Domain = new(blockCount, pageSize);
        Runner = new(new FakeKvMemory(Pool), runsAhead);
        KvSpace space = new(Domain, options.QuotaBlocks, options.UsesPrefixCache);
        Worker = new("rig", options, space, Runner, TimeProvider.System);
    }

    public SchedulerOptions Options { get; }

    public KvDomain Domain { get; }

    public KvBlockPool Pool => Domain.Pool;

    public RadixCache Cache => Domain.Cache;

    public FakeModelRunner Runner { get; }

    public Worker Worker { get; }

    public static int[] Tokens(int count, int seed = 1)
    {
        Random random = new(seed);
        int[] tokens = new int[count];
        for (int i = 0; i < count; i++)
            tokens[i] = random.Next(FakeModel.VocabularySize);
        return tokens;
    }

    public Request NewRequest(int[] prompt, int newTokens) => new()
    {
        Id = new(++_requestCount),
        PromptTokens = prompt,
        Seed = (ulong)_requestCount,
        StopTokenIds = [],
        PenaltyPromptCount = prompt.Length,
        Sampling = new() { MaxNewTokens = newTokens },
    };

    public SimulatedCall Submit(Request request)
    {
        SimulatedCall call = new(request);
        Worker.Submit(call.Open(ticks: 1));
        return call;
    }

    public SimulatedCall Submit(int[] prompt, int newTokens) => Submit(NewRequest(prompt, newTokens));

    /// <summary>Steps until nothing is left and judges every call.</summary>
    /// <returns>Steps made.</returns>
    public int RunToEnd(params SimulatedCall[] calls)
    {
        int steps = 1;
        for (; Worker.Step(); steps++)
            Check.That(steps < 100_000);
        foreach (SimulatedCall call in calls)
            call.Judge(Options.ContextTokens);
        return steps;
    }

    public void Dispose()
    {
        Worker.Dispose();
        Runner.Dispose();
    }
}
