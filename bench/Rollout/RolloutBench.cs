using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>
/// Samples of few prompts against samples of many: as many samples, each arm on an engine of its own, so that
/// no cache of another warms it.
/// </summary>
internal sealed class RolloutBench(RolloutBenchSettings settings, Action<string> progress)
{
    public async Task<IReadOnlyList<RolloutRow>> RunAsync(string path, CancellationToken cancellation)
    {
        // The first arm would pay for the compilation of what all of them use.
        foreach (int each in settings.SamplesPerPrompt)
            await RunArmAsync(RandomModel.OfShape("tiny"), each, cancellation).ConfigureAwait(false);
        List<RolloutRow>[] runs = [.. settings.SamplesPerPrompt.Select(_ => new List<RolloutRow>())];
        for (int repeat = 0; repeat < settings.Repeats; repeat++)
        {
            for (int arm = 0; arm < runs.Length; arm++)
            {
                RolloutRow row = await RunArmAsync(path, settings.SamplesPerPrompt[arm], cancellation)
                    .ConfigureAwait(false);
                progress($"{row.Name}: {row.TokensPerSecond:F1} tokens/s in {row.Seconds:F2} s");
                runs[arm].Add(row);
            }
        }
        RolloutRow[] medians = [.. runs.Select(
            rows => rows.OrderBy(row => row.Seconds).ElementAt((rows.Count - 1) / 2))];
        return [.. medians.Select(row => row with
        {
            Ratio = row.TokensPerSecond / medians[0].TokensPerSecond, Runs = settings.Repeats,
        })];
    }

    private async Task<RolloutRow> RunArmAsync(string path, int each, CancellationToken cancellation)
    {
        CpuIsa isa = CpuIsaSupport.Resolve(settings.Isa);
        Arithmetic arithmetic = Arithmetics.Of(isa, WeightDtype.Bf16);
        using MachineLimits limits = new(settings.Threads, settings.ProbeMilliseconds);
        LimitReading before = limits.Read(arithmetic);
        int length = settings.PromptTokens + settings.SampleTokens + 1;
        await using Engine engine = await Engine.StartAsync(
            new EngineOptions
            {
                ModelPath = path, Backend = BackendKind.Cpu, Isa = isa, ThreadCount = settings.Threads,
                MaxRunningRequests = settings.Samples, ContextLength = length,
                MaxTotalTokens = 2 * settings.Samples * (length + 64),
            },
            cancellation).ConfigureAwait(false);
        using RolloutSession session = new(engine.Models[0], new RolloutOptions
        {
            SamplesPerPrompt = each, Seed = 1, MaxConcurrentSamples = settings.Samples,
            Sampling = new SamplingParams { MaxNewTokens = settings.SampleTokens, IgnoreEos = true },
        });
        int prompts = settings.Samples / each;
        long start = Stopwatch.GetTimestamp();
        RolloutGroup[] groups = await Task.WhenAll(Enumerable.Range(0, prompts).Select(
            prompt => session.RunGroupAsync(Prompt(prompt, engine.VocabularySize), cancellation)))
            .ConfigureAwait(false);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        EngineMetrics metrics = engine.Metrics;
        RolloutSample[] samples = [.. groups.SelectMany(group => group.Samples)];
        int made = samples.Sum(sample => sample.ResponseLength);
        if (made != settings.Samples * settings.SampleTokens)
            throw new BenchException($"n = {each} made {made} tokens");
        LimitReading[] readings = [before, limits.Read(arithmetic)];
        using ICheckpoint checkpoint = Checkpoint.Open(path);
        return new RolloutRow
        {
            Name = $"n={each}", Phase = "rollout", Dtype = "bf16", Isa = CpuIsaSupport.NameOf(isa),
            Threads = settings.Threads, Batch = settings.Samples, Tokens = made,
            Context = settings.PromptTokens, Seconds = seconds, Flops = Flops(checkpoint.Config, prompts),
            Bytes = 0, Limits = LimitReading.Median(readings),
            LimitMovement = LimitReading.Movement(readings), Prompts = prompts, SamplesPerPrompt = each,
            PrefillTokens = metrics.PrefillTokens,
            CachedTokens = samples.Sum(sample => (long)sample.CachedTokens),
            FirstTokenSeconds = new Quantiles(samples.Select(FirstTokenOf)).At(0.5), Ratio = 1,
        };
    }

    private RolloutPrompt Prompt(int index, int vocabularySize) => new()
    {
        InputIds = KeyHash.Tokens($"prompt {index}", 0, settings.PromptTokens, vocabularySize),
    };

    private static double FirstTokenOf(RolloutSample sample) =>
        (sample.Timings.PrefillQueueNs + sample.Timings.PrefillForwardNs) / 1e9;

    private double Flops(ModelConfig config, int prompts)
    {
        double flops = prompts * ModelWork.Flops(config, settings.PromptTokens, 0);
        // The first token of a sample comes out of its prompt.
        for (int token = 1; token < settings.SampleTokens; token++)
            flops += settings.Samples * ModelWork.Flops(config, 1, settings.PromptTokens + token - 1);
        return flops;
    }
}
