namespace PdEngine;

/// <summary>What an engine is made of, built in the order in which bad input is cheapest to refuse.</summary>
internal sealed class EngineParts : IDisposable
{
    private readonly DeviceSet _devices;
    private readonly WeightShelf _weights;
    private readonly List<ModelParts> _models = [];

    private EngineParts(DeviceSet devices, WeightShelf weights)
    {
        _devices = devices;
        _weights = weights;
    }

    /// <summary>The services, in the order asked for.</summary>
    public IReadOnlyList<ModelParts> Models => _models;

    public IReadOnlyList<string> Notices =>
        [.. _devices.Notices, .. _models.Select(model => model.Notice).OfType<string>()];

    /// <summary>Options, plan and headers are checked first, weights are read last.</summary>
    public static EngineParts Build(EngineOptions options, CancellationToken cancellationToken)
    {
        OptionChecks.ThrowIfInvalid(options);
        Topology plan = options.Topology
            ?? Topology.Resolve(new TopologyFlags { HfCheckpoint = options.ModelPath });
        ServedModel[] services = options.Services.Count == 0
            ? [plan.Service(null)]
            : [.. options.Services.Select(plan.Service)];
        List<OpenedModel> opened = [];
        try
        {
            foreach (ServedModel service in services)
            {
                PlanChecks.ThrowIfNotYet(plan, service);
                opened.Add(OpenedModel.Open(service, plan, options));
            }
            cancellationToken.ThrowIfCancellationRequested();
            return Start(options, plan, opened, cancellationToken);
        }
        finally
        {
            opened.ForEach(model => model.Checkpoint.Dispose());
        }
    }

    /// <summary>Ends every request with what it has, then gives all memory back.</summary>
    public void Dispose()
    {
        _models.ForEach(model => model.Dispose());
        if (_models.Any(model => model.HasLostThread))
            return;
        _weights.Dispose();
        _devices.Dispose();
    }

    private static WorkerType[] RolesOf(Topology plan, int deviceCount)
    {
        WorkerType[] roles = new WorkerType[deviceCount];
        foreach (ServerGroup group in plan.Models.SelectMany(service => service.Groups))
        {
            foreach (int device in group.Workers.SelectMany(worker => worker.Devices))
                roles[device] = group.WorkerType;
        }
        return roles;
    }

    private static EngineParts Start(
        EngineOptions options, Topology plan, List<OpenedModel> opened, CancellationToken cancellationToken)
    {
        int deviceCount = Math.Max(1, plan.DeviceCount);
        DeviceSet devices = Backends.OpenFor(
            options, deviceCount, RolesOf(plan, deviceCount),
            opened.Any(model => model.Weights.Quantization == Quantization.W8A8Int8));
        EngineParts parts = new(devices, new WeightShelf(devices.Devices));
        try
        {
            long freeBytes = devices.FreeBytes();
            LoadMeter meter = new(options.Progress, opened, parts._weights, cancellationToken);
            foreach (OpenedModel model in opened)
                parts._weights.Load(model, meter);
            foreach (OpenedModel model in opened)
            {
                parts._models.Add(new ModelParts(
                    options, plan, model, devices.Devices, parts._weights, freeBytes));
            }
            parts._weights.Seal();
            parts._models.ForEach(model => model.Start());
            return parts;
        }
        catch
        {
            parts.Dispose();
            throw;
        }
    }
}
