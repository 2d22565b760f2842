namespace PdEngine;

/// <summary>Joins file and flags into the plan, and refuses what cannot be one.</summary>
internal sealed class TopologyResolver
{
    public const int MaxDevices = 16384;

    private readonly TopologyFlags _flags;
    private readonly TopologyFile? _file;
    private readonly List<TopologyNotYet> _notYet = [];
    private readonly List<TopologyWarning> _warnings;
    private readonly GroupResolver _groups;

    public TopologyResolver(TopologyFlags flags, TopologyFile? file)
    {
        _flags = flags;
        _file = file;
        _warnings = [.. file?.Warnings ?? []];
        _groups = new GroupResolver(flags, Fault, _notYet, _warnings);
    }

    public Topology Resolve()
    {
        CheckNumbers();
        RouterPolicy policy = RouterPolicies.Parse("--router-policy", _flags.RouterPolicy);
        RouterPolicy? prefill = _flags.PrefillPolicy is { } p ? RouterPolicies.Parse("--prefill-policy", p)
            : null;
        RouterPolicy? decode = _flags.DecodePolicy is { } d ? RouterPolicies.Parse("--decode-policy", d)
            : null;
        IReadOnlyList<FileModel> written = _file?.Models ?? [FlagModel()];
        CheckSum(written);
        List<ServedModel> models = [];
        int firstDevice = 0;
        foreach (FileModel model in written)
        {
            models.Add(ResolveModel(model, firstDevice));
            firstDevice += models[^1].DeviceCount;
        }
        if ((prefill is not null || decode is not null) && !models.Any(model => model.IsDisaggregated))
        {
            _warnings.Add(new TopologyWarning(null,
                "--prefill-policy and --decode-policy have no effect: no service has prefill and decode "
                    + "groups"));
        }
        if (firstDevice > _flags.CoreCount)
        {
            _warnings.Add(new TopologyWarning(null,
                $"{firstDevice} devices share {_flags.CoreCount} cores when they are CPU devices")
            {
                IsOfCpuDevices = true,
            });
        }
        return new Topology
        {
            File = _file?.Name, Models = models, DeviceCount = firstDevice,
            HfCheckpoint = _flags.HfCheckpoint, RouterPolicy = policy,
            PrefillPolicy = prefill ?? policy, DecodePolicy = decode ?? policy,
            ServerConcurrency = _flags.ServerConcurrency, RequestTimeoutSecs = _flags.RequestTimeoutSecs,
            NotYet = _notYet, Warnings = _warnings,
        };
    }

    private void CheckNumbers()
    {
        if (_file is not null && _flags.PrefillNumServers is not null)
            throw new OptionsException("--prefill-num-servers", "cannot be combined with --sglang-config");
        Limit("--prefill-num-servers", _flags.PrefillNumServers, 1, MaxDevices);
        Limit("--rollout-num-gpus", _flags.RolloutNumGpus, 0, MaxDevices);
        Limit("--rollout-num-gpus-per-engine", _flags.RolloutNumGpusPerEngine, 1, MaxDevices);
        Limit("--sglang-server-concurrency", _flags.ServerConcurrency, 1, 1_000_000);
        Limit("--sglang-router-request-timeout-secs", _flags.RequestTimeoutSecs, 1, 10_000_000);
    }

    private static void Limit(string flag, int? value, int least, int most)
    {
        if (value < least || value > most)
            throw new OptionsException(flag, $"{value} is not in {least} to {most}");
    }

    private FileModel FlagModel()
    {
        int perWorker = _flags.RolloutNumGpusPerEngine;
        List<FileGroup> groups = [];
        if (_flags.RolloutNumGpus == 0)
        {
            // As in slime: no devices means a router alone, whatever else was asked for.
        }
        else if (_flags.PrefillNumServers is { } servers)
        {
            long prefill = (long)servers * perWorker;
            // Whole workers only: a default must never be refused for not dividing.
            long total = _flags.RolloutNumGpus
                ?? Math.Max(_flags.CoreCount / perWorker * (long)perWorker, 2 * prefill);
            if (total > MaxDevices)
                throw new OptionsException("--prefill-num-servers",
                    $"{servers} takes {total} devices, over {MaxDevices}");
            if (total - prefill <= 0)
            {
                throw new OptionsException("--prefill-num-servers",
                    $"{servers} prefill workers of {perWorker} devices "
                    + $"take {prefill} of the {total} devices of --rollout-num-gpus and leave "
                        + $"{total - prefill} "
                    + "for decode; lower it or raise --rollout-num-gpus");
            }
            groups.Add(new FileGroup(null, WorkerType.Prefill, (int)prefill, null, []));
            groups.Add(new FileGroup(null, WorkerType.Decode, (int)(total - prefill), null, []));
        }
        else
        {
            groups.Add(new FileGroup(null, WorkerType.Regular, _flags.RolloutNumGpus ?? perWorker, null, []));
        }
        return new FileModel("default", 0, null, null, null, groups);
    }

    private void CheckSum(IReadOnlyList<FileModel> models)
    {
        long sum = models.Sum(model => model.Groups.Sum(group => (long)group.DeviceCount));
        if (sum > MaxDevices)
            throw Fault(_file?.Line, $"the groups need {sum} devices in total; at most {MaxDevices} are "
                + "possible");
        if (_file is not null && _flags.RolloutNumGpus is { } asked && asked != sum)
        {
            throw Fault(_file.Line, $"the groups' num_gpus add up to {sum}, but --rollout-num-gpus is "
                + $"{asked}; "
                + "make them equal, or leave the flag out");
        }
    }

    private ServedModel ResolveModel(FileModel model, int firstDevice)
    {
        CheckRoles(model);
        List<ServerGroup> groups = [];
        string? path = model.ModelPath ?? _flags.HfCheckpoint;
        int workers = 0;
        foreach (FileGroup written in model.Groups)
        {
            ServerGroup group = _groups.Resolve(model, written, groups.Count, firstDevice, workers);
            groups.Add(group);
            firstDevice += group.DeviceCount;
            workers += group.Workers.Count;
        }
        path = CommonPath(model, path);
        CheckPool(model, groups);
        bool updates = model.UpdateWeights ?? path == _flags.HfCheckpoint;
        if (model.UpdateWeights is null && !updates)
        {
            _warnings.Add(new TopologyWarning(LineOf(model), $"'{model.Name}' takes no weight updates: its "
                + $"model_path {path} is not --hf-checkpoint {_flags.HfCheckpoint ?? "(none given)"}; "
                + "set update_weights to say so"));
        }
        return new ServedModel
        {
            Name = model.Name, ModelPath = path, UpdateWeights = updates, Groups = groups,
                Line = LineOf(model),
        };
    }

    private void CheckRoles(FileModel model)
    {
        FileGroup? First(WorkerType type) => model.Groups.FirstOrDefault(group => group.WorkerType == type);
        FileGroup? prefill = First(WorkerType.Prefill);
        FileGroup? decode = First(WorkerType.Decode);
        if (First(WorkerType.Regular) is { } regular && (prefill ?? decode) is { } split)
        {
            throw Fault(regular.Line, $"'{model.Name}' mixes regular workers with those of line "
                + $"{split.Line}; a model "
                + "has regular workers, or prefill and decode workers");
        }
        if (prefill is null != decode is null)
        {
            string missing = prefill is null ? "prefill" : "decode";
            throw Fault((prefill ?? decode)!.Line,
                $"'{model.Name}' has no {missing} group; prefill and decode need each other");
        }
    }

    private string? CommonPath(FileModel model, string? fallback)
    {
        string? path = null;
        FileGroup? from = null;
        foreach (FileGroup group in model.Groups)
        {
            FileOverride? own = group.Overrides.FirstOrDefault(given => given.Key == "model_path");
            string? mine = own is null || own.Value.Kind is OverrideKind.None ? fallback : own.Value.Text;
            if (from is not null && mine != path)
            {
                throw Fault(own?.Line ?? group.Line, $"the groups of '{model.Name}' have two checkpoints, "
                    + $"{path ?? "(none given)"} and {mine ?? "(none given)"}; all groups of a model serve "
                        + "one");
            }
            (path, from) = (mine, group);
        }
        return from is null ? fallback : path;
    }

    // Prefill and decode workers pass blocks to each other, so a block must be the same thing to both.
    private void CheckPool(FileModel model, List<ServerGroup> groups)
    {
        foreach (string key in new[] { "page_size", "kv_cache_dtype", "quantization" })
        {
            (string Value, ServerGroup Group)? first = null;
            foreach (ServerGroup group in groups.Where(group => group.Workers.Count > 0
                && group.WorkerType is not WorkerType.Encoder))
            {
                ResolvedOverride? given = group.Overrides.FirstOrDefault(entry => entry.Key == key);
                string value = given?.Value.Text ?? "(default)";
                if (key == "kv_cache_dtype" && given?.Status is not OverrideStatus.NotYet)
                    value = "auto";
                if (key == "quantization" && given?.Status is not OverrideStatus.ActedOn)
                    value = "(default)";
                if (first is { } other && other.Value != value)
                {
                    throw Fault(given?.Line ?? group.Line, $"'{model.Name}' has {key} {other.Value} in group "
                        + $"{other.Group.Index} and {value} in group {group.Index}; groups that share a KV "
                            + "pool must agree");
                }
                first ??= (value, group);
            }
        }
    }

    private int? LineOf(FileModel model) => _file is null ? null : model.Line;

    private PdEngineException Fault(int? line, string problem) => _file is { } file
        ? new TopologyException(file.Name, line, problem) : new OptionsException("topology flags", problem);
}
