namespace PdEngine.Bench;

/// <summary>
/// Runs a load in every arm, each run on a server of its own: a cache that an earlier run warmed would
/// flatter the later ones. Repeats go round all arms, so that the host's moods meet each of them.
/// </summary>
internal sealed class PdSweep(PdSettings settings, Action<string> progress)
{
    /// <summary>Refuses a load before any other is run.</summary>
    /// <exception cref="OptionsException">There is no such model, or it cannot hold the load.</exception>
    public static void Check(IServingLoad load, string? model)
    {
        string name = model ?? load.DefaultModel;
        using ICheckpoint checkpoint = Checkpoint.Open(RandomModel.Resolve(name, 0));
        if (load.LongestTokens > checkpoint.Config.MaxPositions)
        {
            throw new OptionsException("--load",
                $"{load.Name} has requests of {load.LongestTokens} tokens; '{name}' takes "
                + $"{checkpoint.Config.MaxPositions}");
        }
    }

    /// <summary>Runs a load in every arm.</summary>
    /// <param name="load">What to serve.</param>
    /// <param name="model">A path or <c>random:SHAPE</c>; null takes the load's own.</param>
    /// <exception cref="BenchException">A run went wrong, or there was none to run.</exception>
    public async Task<PdResult> RunAsync(IServingLoad load, string? model)
    {
        string name = model ?? load.DefaultModel;
        string path = RandomModel.Resolve(name, 0);
        using ICheckpoint checkpoint = Checkpoint.Open(path);
        using LlamaCpp? peer = settings.Arms.Any(arm => arm.IsPeer)
            ? LlamaCheckpoint.TryOpen(checkpoint, progress)
            : null;
        PdArm[] arms = [.. settings.Arms.Where(arm => !arm.IsPeer || peer is not null)];
        if (arms.Length == 0)
            throw new BenchException("no arm can run here");
        progress($"{load.Name}: {name}, {load.Title}");
        List<PdRun> runs = [];
        for (int repeat = 0; repeat < settings.Repeats; repeat++)
        {
            foreach (PdArm arm in arms)
                runs.Add(await RunArmAsync(arm, load, path, checkpoint.Config, peer).ConfigureAwait(false));
        }
        PdRow[] rows = [.. arms.Select(arm => new PdRow(runs.Where(run => run.Arm == arm)))];
        return new PdResult(load, name, settings, rows, Difference(runs));
    }

    /// <summary>
    /// Runs every kind of arm of ours once on a tiny model, so that the first arm that is measured does not
    /// pay for the compilation of what all of them use.
    /// </summary>
    public async Task WarmUpAsync()
    {
        string path = RandomModel.Resolve("random:tiny", 0);
        using ICheckpoint checkpoint = Checkpoint.Open(path);
        foreach (PdArm arm in settings.Arms.Where(arm => !arm.IsPeer).DistinctBy(arm => arm.Kind))
        {
            InjectionLoad load = InjectionLoad.Quick;
            await using EngineServer server =
                await EngineServer.StartAsync(path, arm, settings, load).ConfigureAwait(false);
            await load.RunAsync(server, checkpoint.Config.VocabularySize, settings.Seed)
                .ConfigureAwait(false);
        }
    }

    /// <summary>The first request whose tokens differ between two runs of ours, and where; or null.</summary>
    internal static string? Difference(IEnumerable<PdRun> runs)
    {
        PdRun[] ours = [.. runs.Where(run => !run.Arm.IsPeer)];
        foreach (PdRun run in ours.Skip(1))
        {
            foreach ((RequestTrace first, RequestTrace other)
                in ours[0].Trace.Requests.Zip(run.Trace.Requests))
            {
                int at = first.OutputIds.Zip(other.OutputIds).TakeWhile(pair => pair.First == pair.Second)
                    .Count();
                if (at < Math.Max(first.OutputIds.Count, other.OutputIds.Count))
                {
                    return $"{first.Request.Key} differs from output token {at} on between "
                        + $"{ours[0].Arm.Name} and {run.Arm.Name}";
                }
            }
        }
        return null;
    }

    private MachineReading TakeReading() =>
        MachineReading.Take(settings.Threads, settings.ProbeMilliseconds);

    private async Task<PdRun> RunArmAsync(
        PdArm arm, IServingLoad load, string path, ModelConfig config, LlamaCpp? peer)
    {
        MachineReading before = TakeReading();
        LoadTrace trace;
        await using (IServer server = arm.IsPeer
            ? new LlamaServer(
                peer!, load.MaxConcurrency, load.LongestTokens, arm.ChunkTokens, settings.Threads,
                config.VocabularySize)
            : await EngineServer.StartAsync(path, arm, settings, load).ConfigureAwait(false))
        {
            trace = await load.RunAsync(server, config.VocabularySize, settings.Seed).ConfigureAwait(false);
        }
        PdRun run = new(
            arm, trace, PdFigures.Of(trace, settings.StallSeconds), before, TakeReading());
        PdFigures figures = run.Figures;
        progress($"{arm.Name}: {figures.TokensPerSecond:F1} tokens/s in {figures.WallSeconds:F1} s, "
            + $"first token p50 {figures.FirstTokenSeconds.At(0.5):F3} s, "
            + $"longest gap {figures.GapSeconds.Max:F3} s; probe {run.Before}");
        return run;
    }
}
