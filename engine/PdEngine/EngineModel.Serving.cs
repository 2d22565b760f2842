namespace PdEngine;

/// <content>What a server in front of a service asks of it.</content>
public sealed partial class EngineModel
{
    /// <summary>
    /// Requests that were submitted and have not ended, wherever they are: waiting, running or between two
    /// workers.
    /// </summary>
    public int LiveRequestCount => _live.Count;

    /// <summary>Nothing computes, as after <see cref="PauseAsync"/>.</summary>
    public bool IsPaused => _parts.Swap.IsPaused;

    /// <summary>Weight updates reach it.</summary>
    public bool TakesUpdates => _parts.TakesUpdates;

    internal ModelConfig Config => _parts.Config;

    /// <summary>
    /// What computes its matrix products: of a backend that the options only prefer, what that came to.
    /// </summary>
    internal GemmKind Gemm => _parts.Gemm;

    /// <summary>
    /// Hears of every request that ended, on the thread of its last worker, whose next step waits for it.
    /// </summary>
    internal event Action<Generation>? RequestEnded;

    /// <summary>The service as it is now.</summary>
    /// <param name="mostLive">Requests in flight that are described, the oldest first.</param>
    internal ModelView View(int mostLive)
    {
        Sequence[] live = [.. _live.Values];
        long nowTicks = _clock.GetTimestamp();
        return new ModelView
        {
            Workers = _parts.WorkerViews(),
            Pools = _parts.PoolViews(live),
            LiveCount = live.Length,
            Live = [.. live.OrderBy(sequence => sequence.Request.Id.Value).Take(mostLive)
                .Select(sequence => LiveRequest.Of(sequence, _clock, nowTicks))],
        };
    }

    /// <summary>
    /// Gives the present weights another version; requests in flight are retracted or, where asked,
    /// aborted.
    /// </summary>
    /// <param name="version">See <see cref="WeightUpdate.Version"/>.</param>
    /// <param name="aborts">Requests in flight end with what they have.</param>
    /// <exception cref="WeightUpdateException">The version was used before, or is past.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been disposed of.</exception>
    public Task RenameWeightsAsync(string version, bool aborts = false)
    {
        ArgumentNullException.ThrowIfNull(version);
        ObjectDisposedException.ThrowIf(_isDisposed(), this);
        return _updates.RenameAsync(version, aborts);
    }

    /// <summary>SHA-256 of every tensor as it is held, read back as float32, by name.</summary>
    /// <exception cref="WeightUpdateException">
    /// The weights have been given back, or are held as int8.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The engine has been disposed of.</exception>
    public Task<IReadOnlyDictionary<string, string>> WeightChecksumsAsync()
    {
        ObjectDisposedException.ThrowIf(_isDisposed(), this);
        return _updates.ReadAsync(WeightChecksums.Of);
    }

    /// <summary>
    /// Names of the tensors that an update would have to give too, for the present ones have been given back;
    /// empty where they are there.
    /// </summary>
    /// <exception cref="WeightUpdateException">What it gives does not fit the model.</exception>
    internal Task<IReadOnlyList<string>> MissingTensorsAsync(WeightUpdate update)
    {
        ObjectDisposedException.ThrowIf(_isDisposed(), this);
        return _updates.MissingAsync(update);
    }

    /// <summary>The tokens of a prompt, checked.</summary>
    internal int[] Encode(GenerateRequest asked) => _intake.Encode(asked);

    /// <summary>Most tokens that can be asked for behind a prompt of so many.</summary>
    internal int MostNewTokens(int promptTokens)
    {
        long most = ContextTokens - promptTokens;
        foreach (WorkerSlot slot in _parts.Router.Slots)
        {
            KvSpace space = slot.Worker.Space;
            most = Math.Min(most, ((long)space.CapacityBlocks * space.PageSize) - promptTokens + 1);
        }
        return (int)Math.Max(1, most);
    }
}
