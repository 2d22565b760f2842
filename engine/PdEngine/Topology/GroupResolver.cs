namespace PdEngine;

/// <summary>Resolves one server group: its devices, its workers, and the overrides that reach it.</summary>
internal sealed class GroupResolver
{
    private readonly TopologyFlags _flags;
    private readonly Func<int?, string, PdEngineException> _fault;
    private readonly List<TopologyNotYet> _notYet;
    private readonly List<TopologyWarning> _warnings;
    private readonly List<FileOverride> _flagOverrides;

    public GroupResolver(
        TopologyFlags flags, Func<int?, string, PdEngineException> fault, List<TopologyNotYet> notYet,
        List<TopologyWarning> warnings)
    {
        _flags = flags;
        _fault = fault;
        _notYet = notYet;
        _warnings = warnings;
        _flagOverrides = [.. flags.Overrides.Select(FromFlag)];
    }

    public ServerGroup Resolve(FileModel model, FileGroup group, int index, int firstDevice, int firstWorker)
    {
        int perWorker = group.DevicesPerWorker ?? model.DevicesPerWorker ?? _flags.RolloutNumGpusPerEngine;
        bool isPlaceholder = group.WorkerType is WorkerType.Placeholder;
        string where = $"'{model.Name}' group {index} ({Name(group.WorkerType)})";
        if (!isPlaceholder && group.DeviceCount % perWorker != 0)
        {
            throw _fault(group.Line, $"{where} has {group.DeviceCount} devices, which is no multiple of the "
                + $"{perWorker} of one worker (num_gpus_per_engine)");
        }
        List<FileOverride> joined = [.. group.Overrides, .. _flagOverrides
            .Where(flag => !group.Overrides.Any(own => own.Key == flag.Key))];
        List<ResolvedOverride> overrides = [.. joined.Select(Resolved)
            .OrderBy(entry => entry.Key, StringComparer.Ordinal)];
        int tpSize = isPlaceholder ? perWorker : TpSize(where, group, overrides, perWorker);
        if (!isPlaceholder)
        {
            CheckMode(where, group, overrides);
            ListNotYet(model.Name, where, group, overrides);
        }
        WorkerPlacement[] workers = new WorkerPlacement[isPlaceholder ? 0 : group.DeviceCount / perWorker];
        for (int i = 0; i < workers.Length; i++)
            workers[i] = new WorkerPlacement(firstWorker + i, [.. Enumerable.Range(firstDevice
                + i * perWorker, perWorker)]);
        return new ServerGroup
        {
            Index = index, WorkerType = group.WorkerType, DeviceCount = group.DeviceCount,
                DevicesPerWorker = perWorker,
            FirstDevice = firstDevice, Workers = workers, Overrides = overrides, Line = group.Line,
            Settings = Settings(overrides, tpSize),
        };
    }

    public static string Name(WorkerType type) => type.ToString().ToLowerInvariant();

    private static FileOverride FromFlag(KeyValuePair<string, string> flag)
    {
        string name = $"--sglang-{flag.Key.Replace('_', '-')}";
        OverrideRule rule = OverrideTable.Find(flag.Key) ?? throw new OptionsException(name,
            "there is no such override"
            + (OverrideTable.Nearest(flag.Key) is { } near ? "; did you mean "
                + $"'--sglang-{near.Replace('_', '-')}'?" : ""));
        if (flag.Key == "model_path")
            throw new OptionsException(name, "the checkpoint is given by --hf-checkpoint");
        OverrideValue value = ScalarText.Word(flag.Value, rule);
        return rule.FaultOf(value) is { } fault ? throw new OptionsException(name, fault)
            : new FileOverride(flag.Key, value, null);
    }

    private static ResolvedOverride Resolved(FileOverride given)
    {
        OverrideRule rule = OverrideTable.Find(given.Key)!;
        OverrideStatus status = given.Value.Kind is OverrideKind.None ? OverrideStatus.AlreadySo
            : rule.StatusOf(given.Value);
        return new ResolvedOverride(given.Key, given.Value, status, rule.ChangesResults, given.Line);
    }

    private int TpSize(string where, FileGroup group, List<ResolvedOverride> overrides, int perWorker)
    {
        (int pp, int? ppLine) = Size(overrides, "pp_size", 1);
        (int dp, int? dpLine) = Size(overrides, "dp_size", 1);
        if (pp < 1 || perWorker % pp != 0)
            throw _fault(ppLine ?? group.Line, $"{where}: pp_size {pp} does not divide the {perWorker} "
                + "devices of a worker");
        if (dp < 1 || (dp > 1 && !overrides.Any(entry => entry.Key == "enable_dp_attention"
            && entry.Value.IsTrue)))
            throw _fault(dpLine ?? group.Line, $"{where}: dp_size {dp} needs enable_dp_attention");
        (int tp, int? tpLine) = Size(overrides, "tp_size", perWorker / pp);
        if ((long)tp * pp != perWorker)
        {
            throw _fault(tpLine ?? group.Line, $"{where}: tp_size {tp} x pp_size {pp} takes {(long)tp * pp} "
                + "devices, "
                + $"but num_gpus_per_engine is {perWorker}");
        }
        return tp;
    }

    private static (int Value, int? Line) Size(List<ResolvedOverride> overrides, string key, int byDefault)
    {
        ResolvedOverride? given = overrides.Find(entry => entry.Key == key);
        return given is null || given.Value.Kind is OverrideKind.None ? (byDefault, null)
            : ((int)Math.Clamp(given.Value.Number, int.MinValue, int.MaxValue), given.Line);
    }

    private void CheckMode(string where, FileGroup group, List<ResolvedOverride> overrides)
    {
        ResolvedOverride? mode = overrides.Find(entry => entry.Key == "disaggregation_mode");
        if (mode is not null && mode.Value.Text != "null" && mode.Value.Text != Name(group.WorkerType))
        {
            throw _fault(mode.Line ?? group.Line, $"{where}: disaggregation_mode {mode.Value.Text} "
                + "conflicts with "
                + $"worker_type {Name(group.WorkerType)}; leave it out, worker_type says it");
        }
        ResolvedOverride? mixed = overrides.Find(entry => entry.Key == "enable_mixed_chunk");
        if (mixed is { Value.IsTrue: true } && group.WorkerType is not WorkerType.Regular)
        {
            _warnings.Add(new TopologyWarning(mixed.Line,
                $"{where}: enable_mixed_chunk has no effect; only regular workers mix prefill and decode"));
        }
    }

    private void ListNotYet(
        string service, string where, FileGroup group, List<ResolvedOverride> overrides)
    {
        if (group.WorkerType is WorkerType.Encoder)
        {
            _notYet.Add(new TopologyNotYet(
                service, where, "encoder workers", ChangesResults: true, group.Line));
        }
        foreach (ResolvedOverride entry in overrides.Where(entry => entry.Status is OverrideStatus.NotYet))
        {
            _notYet.Add(new TopologyNotYet(
                service, where, $"{entry.Key}: {entry.Value}", entry.ChangesResults, entry.Line));
        }
    }

    private static GroupSettings Settings(List<ResolvedOverride> overrides, int tpSize)
    {
        OverrideValue? Find(string key) => overrides.Find(entry => entry.Key == key
            && entry.Status is OverrideStatus.ActedOn) is { Value: var value } ? value : null;
        int? Whole(string key) => Find(key) is { } value ? (int)value.Number : null;
        GroupSettings plain = new();
        return plain with
        {
            MemFractionStatic = Find("mem_fraction_static")?.Number,
            MaxTotalTokens = Whole("max_total_tokens"),
            MaxRunningRequests = Whole("max_running_requests"),
            MaxQueuedRequests = Whole("max_queued_requests"),
            ChunkedPrefillSize = Whole("chunked_prefill_size"),
            MaxPrefillTokens = Whole("max_prefill_tokens"),
            PrefillMaxRequests = Whole("prefill_max_requests"),
            PageSize = Whole("page_size"),
            ContextLength = Whole("context_length"),
            DisableRadixCache = Find("disable_radix_cache")?.IsTrue ?? false,
            SchedulePolicy = Find("schedule_policy")?.Text ?? plain.SchedulePolicy,
            ScheduleConservativeness = Find("schedule_conservativeness")?.Number
                ?? plain.ScheduleConservativeness,
            RetractionPolicy = Find("retraction_policy")?.Text ?? plain.RetractionPolicy,
            EnableMixedChunk = Find("enable_mixed_chunk")?.IsTrue ?? false,
            NumReservedDecodeTokens = Whole("num_reserved_decode_tokens") ?? plain.NumReservedDecodeTokens,
            StreamInterval = Whole("stream_interval") ?? plain.StreamInterval,
            TpSize = tpSize,
            Quantization = Find("quantization") is null ? null : Quantization.W8A8Int8,
            WeightVersion = Find("weight_version")?.Text ?? plain.WeightVersion,
            WatchdogTimeoutSecs = Find("watchdog_timeout")?.Number ?? plain.WatchdogTimeoutSecs,
        };
    }
}
