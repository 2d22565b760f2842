using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>
/// The C# work of a decode step alone: mailbox, schedule, batch, apply, on a worker whose model takes no
/// time. Rounds are whole lives of a batch of sequences; the first of them warm the compiler up.
/// </summary>
/// <param name="settings">How long to measure.</param>
internal sealed class StepBench(StepSettings settings)
{
    private const int PageSize = 64;
    private const int WarmUpRounds = 4;
    private readonly long[] _ticks = new long[settings.Steps];
    private long _requestCount;

    /// <summary>Measures one batch size.</summary>
    public StepRow Run(int batch, StepVariant variant)
    {
        // The first sequences decode while the prompts of the last are computed, up to four steps each.
        int newTokens = settings.Steps + 16 + (4 * batch);
        int blocksEach = (settings.Context + newTokens + PageSize - 1) / PageSize + 1;
        KvDomain domain = new(batch * blocksEach * 2, PageSize);
        SchedulerOptions options = new()
        {
            ContextTokens = settings.Context + newTokens + 1, MaxRunningSequences = batch,
        };
        using InstantRunner runner = new(variant == StepVariant.Ahead);
        using Worker worker = new(
            "bench", options, new KvSpace(domain, null, usesCache: true), runner, TimeProvider.System);
        List<double> steps = [], rounds = [];
        long allocatedBytes = long.MaxValue;
        for (int round = -WarmUpRounds; round < settings.Rounds; round++)
        {
            for (int i = 0; i < batch; i++)
                worker.Submit(NewSequence(i, newTokens, variant));
            while (worker.Snapshot().DecodingCount < batch)
                worker.Step();
            long allocated = TimeSteps(worker);
            Check.That(worker.Snapshot().DecodingCount == batch);
            while (worker.Step())
            {
            }
            if (round < 0)
                continue;
            // The runtime itself may allocate on this thread now and then; a step that allocates always does.
            allocatedBytes = Math.Min(allocatedBytes, allocated);
            double[] us = [.. _ticks.Select(ticks => ticks * 1e6 / Stopwatch.Frequency)];
            rounds.Add(us.Average());
            steps.AddRange(us);
        }
        Quantiles all = new(steps);
        return new StepRow(
            batch, settings.Context, variant, all.At(0.5), new Quantiles(rounds).At(0.5), all.At(0.99),
            allocatedBytes / (double)settings.Steps);
    }

    private long TimeSteps(Worker worker)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int step = 0; step < _ticks.Length; step++)
        {
            long start = Stopwatch.GetTimestamp();
            worker.Step();
            _ticks[step] = Stopwatch.GetTimestamp() - start;
        }
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private Sequence NewSequence(int index, int newTokens, StepVariant variant)
    {
        bool isScored = variant == StepVariant.Scored;
        int[] prompt = [.. Enumerable.Range(0, settings.Context).Select(i => (i * 31) + index)];
        Request request = new()
        {
            Id = new(++_requestCount), PromptTokens = prompt, Seed = (ulong)_requestCount,
            StopTokenIds = isScored ? [5000] : [], PenaltyPromptCount = prompt.Length,
            ReturnLogProb = isScored, TopLogProbCount = isScored ? 2 : 0,
            Sampling = new()
            {
                MaxNewTokens = newTokens, RepetitionPenalty = isScored ? 1.1f : 1,
                MinNewTokens = isScored ? 4 : 0,
            },
        };
        ISequenceObserver observer = variant == StepVariant.Streamed
            ? new SequenceDecoder(
                null, request.Sampling, new TokenStream(request.Id, _ => { }), TimeProvider.System, "",
                _ => { })
            : new Nobody();
        return new Sequence(request, observer, TimeProvider.System.GetTimestamp());
    }

    private sealed class Nobody : ISequenceObserver
    {
        public string? OnToken(Sequence sequence) => null;

        public void OnFinished(Sequence sequence)
        {
        }
    }
}

/// <summary>How long steps are measured.</summary>
/// <param name="Context">Positions behind each sequence when it starts to decode.</param>
/// <param name="Steps">Timed steps of a round.</param>
/// <param name="Rounds">Timed rounds.</param>
internal sealed record StepSettings(int Context = 512, int Steps = 400, int Rounds = 10);
