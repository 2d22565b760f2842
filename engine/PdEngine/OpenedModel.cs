namespace PdEngine;

/// <summary>A service of the plan with its checkpoint open and its text files read; no weights yet.</summary>
internal sealed record OpenedModel(
    ServedModel Service, WeightSource Weights, ICheckpoint Checkpoint, Tokenizer? Tokenizer,
    ChatTemplate? Template)
{
    /// <summary>Every number of ranks that its workers have.</summary>
    public IEnumerable<int> RankCounts => Service.Groups
        .SelectMany(group => group.Workers)
        .Select(worker => worker.Devices.Count)
        .Distinct();

    /// <summary>Every share of the weights that its workers need, once for each memory.</summary>
    /// <param name="devices">Every device of the plan.</param>
    public IEnumerable<WeightPlace> Places(IReadOnlyList<IBackend> devices) => Service.Groups
        .SelectMany(group => group.Workers)
        .SelectMany(worker => worker.Devices.Select(
            (device, rank) => new WeightPlace(worker.Devices.Count, rank, devices[device])))
        .DistinctBy(place => place.Key);

    /// <exception cref="CheckpointException">Missing, malformed or not supported.</exception>
    /// <exception cref="OptionsException">The plan asks for what the checkpoint cannot do.</exception>
    public static OpenedModel Open(ServedModel service, Topology plan, EngineOptions options)
    {
        string path = service.ModelPath ?? plan.HfCheckpoint ?? options.ModelPath;
        // All groups of a service agree; TopologyResolver sees to it.
        WeightSource weights = new(path, service.Groups
            .Select(group => group.Settings.Quantization).FirstOrDefault(own => own is not null)
            ?? options.Quantization);
        ICheckpoint checkpoint = PdEngine.Checkpoint.Open(path, options.MemoryFolders);
        try
        {
            OptionChecks.ThrowIfContextTooLong(options, checkpoint.Config);
            PlanChecks.ThrowIfUnservable(plan, service, checkpoint.Config);
            (Tokenizer? tokenizer, ChatTemplate? template) = TextFiles.Load(
                checkpoint, PdEngine.Checkpoint.FindIn(options.MemoryFolders, path));
            OpenedModel opened = new(service, weights, checkpoint, tokenizer, template);
            foreach (int ranks in opened.RankCounts)
                TensorParallel.ThrowIfImpossible(checkpoint.Config, ranks);
            return opened;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }
}
