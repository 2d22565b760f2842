using System.Diagnostics;

namespace PdEngine.Tests;

/// <summary>
/// What a decode step costs beside the forward pass: schedule, batch, apply, and where a reader wants text,
/// decoding it. Run by name.
/// </summary>
[Explicit("A measurement, not a test.")]
public sealed class StepCost
{
    private const int Steps = 2000;
    private static readonly SchedulerOptions Options = new()
    {
        ContextTokens = 8192, MaxRunningSequences = 32, PrefillChunkTokens = 16384,
    };

    [Test]
    public void Of_a_batch([Values(1, 8, 32)] int batch, [Values] bool hasText)
    {
        KvDomain domain = new(4096, 64);
        using ConstantRunner runner = new();
        using Worker worker = new(
            "cost", Options, new KvSpace(domain, null, usesCache: true), runner, TimeProvider.System);
        Tokenizer? text = hasText ? SmallTokenizers.Parse(SmallTokenizers.ByteLevel()) : null;
        for (int i = 0; i < batch; i++)
            worker.Submit(NewSequence(i, text));
        while (worker.Snapshot().DecodingCount < batch)
            worker.Step();
        for (int i = 0; i < 1000; i++)
            worker.Step();
        double[] times = new double[Steps];
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Steps; i++)
        {
            long start = Stopwatch.GetTimestamp();
            worker.Step();
            times[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }
        long bytes = (GC.GetAllocatedBytesForCurrentThread() - before) / Steps;
        Array.Sort(times);
        TestContext.Progress.WriteLine(
            $"batch {batch}, text {hasText}: median {times[Steps / 2]:F1} us, "
            + $"99% {times[Steps * 99 / 100]:F1} us, {bytes} bytes a step");
    }

    private static Sequence NewSequence(int index, Tokenizer? text)
    {
        Request request = new()
        {
            Id = new(index + 1),
            PromptTokens = WorkerRig.Tokens(512, index),
            Seed = (ulong)index,
            StopTokenIds = [],
            PenaltyPromptCount = 512,
            Sampling = new() { MaxNewTokens = 6000, Temperature = 1, TopP = 0.95f },
        };
        TokenStream stream = new(request.Id, _ => { });
        SequenceDecoder observer = new(text, request.Sampling, stream, TimeProvider.System, "", _ => { });
        return new Sequence(request, observer, 1);
    }

    /// <summary>Computes nothing: each draw is the same token.</summary>
    private sealed class ConstantRunner : IModelRunner
    {
        public void Start(ForwardBatch batch)
        {
            for (int i = 0; i < batch.Samples.RowCount; i++)
                batch.Samples.Results[i] = new() { Token = 7, LogProb = -1f };
        }

        public void Finish(ForwardBatch batch)
        {
        }

        public void CopyBlock(int source, int target)
        {
        }

        public void Use(WeightEpoch epoch)
        {
        }

        public void Rest()
        {
        }

        public void Dispose()
        {
        }
    }
}
