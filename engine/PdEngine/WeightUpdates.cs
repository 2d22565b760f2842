namespace PdEngine;

/// <summary>Pauses and weight updates of one service, one at a time. Any thread may call it.</summary>
/// <param name="parts">The service.</param>
/// <param name="clock">Of the report's times.</param>
/// <param name="abortAll">Ends every request that is on a worker.</param>
/// <param name="onUpdated">The service has other weights.</param>
internal sealed class WeightUpdates(
    ModelParts parts, TimeProvider clock, Action abortAll, Action onUpdated) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);

    /// <summary>
    /// Weights before those of now, whose memory the next update is staged in: fresh memory has to be cleared
    /// by the system first, which takes longer than packing weights into it. Null where there are none.
    /// </summary>
    private WeightSet? _spare;
    private bool _isHeld;
    private bool _isOnLoan;
    private bool _wasPushed;

    /// <summary>The service has been paused ever since the present weights came.</summary>
    private bool _isUnseen;
    private bool _isDisposed;

    private WeightSwap Swap => parts.Swap;

    public async Task PauseAsync(PauseMode mode)
    {
        await EnterAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            _isHeld = true;
            await Swap.PauseAsync(mode, abortAll).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    public async Task ContinueAsync()
    {
        await EnterAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            _isHeld = false;
            if (!_isOnLoan)
                await GoOnAsync().ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    public async Task<WeightUpdateReport> UpdateAsync(
        WeightUpdate update, WeightUpdateOptions options, CancellationToken cancellationToken)
    {
        if (!parts.TakesUpdates)
        {
            throw new WeightUpdateException(
                $"service '{parts.Name}' is frozen (update_weights: false in the plan); only services that "
                + "take updates can be pushed to");
        }
        await EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await ApplyAsync(update, options, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>The weights stay, and tokens made with them have another version from here on.</summary>
    public async Task RenameAsync(string version, bool aborts)
    {
        await EnterAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            string next = parts.Versions.Next(version, baseVersion: null, _isUnseen);
            PauseMode mode = aborts ? PauseMode.Abort : PauseMode.Retract;
            if (aborts || !Swap.IsPaused)
                await Swap.PauseAsync(mode, abortAll).ConfigureAwait(false);
            await Swap.SwapAsync(new(Swap.Current.Number + 1, next, Swap.Current.Weights))
                .ConfigureAwait(false);
            parts.Versions.Add(next);
            _isUnseen = true;
            if (!_isHeld && !_isOnLoan)
                await GoOnAsync().ConfigureAwait(false);
            onUpdated();
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>What an update lacks where nothing can be kept; what it has is proven.</summary>
    public async Task<IReadOnlyList<string>> MissingAsync(WeightUpdate update)
    {
        await EnterAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            WeightSet present = Swap.Current.Weights!;
            return present.IsAway ? UpdatedWeights.Missing(update, present.Config) : [];
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Runs while no update changes the weights.</summary>
    /// <exception cref="WeightUpdateException">They have been given back.</exception>
    public async Task<T> ReadAsync<T>(Func<WeightSet, T> read)
    {
        await EnterAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            WeightSet present = Swap.Current.Weights!;
            if (present.IsAway)
                throw new WeightUpdateException("the weights have been given back: there is nothing to read");
            return await Task.Run(() => read(present)).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    public async Task ReleaseMemoryAsync(LoanedMemory what)
    {
        await EnterAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            WeightSet weights = Swap.Current.Weights!;
            if (what.HasFlag(LoanedMemory.Weights) && !weights.IsAway && IsShared(weights))
            {
                throw new WeightUpdateException(
                    $"another service uses the weights of '{parts.Name}' too: they cannot be given back");
            }
            _isOnLoan = true;
            await Swap.PauseAsync(PauseMode.Retract, abortAll).ConfigureAwait(false);
            if (what.HasFlag(LoanedMemory.KvCache))
                parts.VacateKv();
            if (what.HasFlag(LoanedMemory.Weights))
            {
                DropSpare();
                weights.Dispose();
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    public async Task ResumeMemoryAsync()
    {
        await EnterAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            if (Swap.Current.Weights!.IsAway)
                await ReadAgainAsync(Swap.Current).ConfigureAwait(false);
            _isOnLoan = false;
            if (!_isHeld)
                await GoOnAsync().ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Lets what is going on finish; everything after it is refused.</summary>
    public void Dispose()
    {
        _turn.Wait();
        _isDisposed = true;
        DropSpare();
        _turn.Release();
    }

    private async Task EnterAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (!_isDisposed)
            return;
        _turn.Release();
        throw new ObjectDisposedException(nameof(Engine));
    }

    private Task GoOnAsync()
    {
        _isUnseen = false;
        return Swap.ContinueAsync();
    }

    /// <summary>The service and each of its workers use them; does anyone else?</summary>
    private bool IsShared(WeightSet weights) => weights.UserCount > 1 + parts.Router.Slots.Count;

    private async Task ReadAgainAsync(WeightEpoch away)
    {
        if (_wasPushed)
        {
            throw new WeightUpdateException(
                $"the weights of version '{away.Version}' were pushed and have been given back: push all "
                + "tensors before the service resumes");
        }
        WeightSet again = await Task.Run(parts.ReadWeights).ConfigureAwait(false);
        await Swap.SwapAsync(new(away.Number + 1, away.Version, again)).ConfigureAwait(false);
        away.Weights!.RemoveUser();
    }

    private async Task<WeightUpdateReport> ApplyAsync(
        WeightUpdate update, WeightUpdateOptions options, CancellationToken cancellationToken)
    {
        long start = clock.GetTimestamp();
        string version = parts.Versions.Next(update.Version, update.BaseVersion, _isUnseen);
        WeightSet present = Swap.Current.Weights!;
        (UpdatedWeights content, WeightSet? staged) = await Task.Run(
            () => Stage(update, present, options, cancellationToken), cancellationToken)
            .ConfigureAwait(false);
        long pause = clock.GetTimestamp();
        if (options.Mode is not null || !Swap.IsPaused)
            await Swap.PauseAsync(options.Mode ?? PauseMode.Retract, abortAll).ConfigureAwait(false);
        if (staged is null)
            await OverwriteAsync(present, content).ConfigureAwait(false);
        WeightSet next = staged ?? present;
        await Swap.SwapAsync(new(Swap.Current.Number + 1, version, next)).ConfigureAwait(false);
        _wasPushed = true;
        parts.Versions.Add(version);
        _isUnseen = true;
        _isHeld |= options.StaysPaused;
        if (!_isHeld && !_isOnLoan)
            await GoOnAsync().ConfigureAwait(false);
        long end = clock.GetTimestamp();
        // Only now: giving a gigabyte back to the system takes milliseconds.
        if (staged is not null)
            Retire(present);
        onUpdated();
        return new WeightUpdateReport
        {
            Version = version,
            Bytes = next.Bytes,
            WasStaged = staged is not null,
            StagingTime = clock.GetElapsedTime(start, pause),
            PauseTime = clock.GetElapsedTime(pause, end),
        };
    }

    /// <summary>
    /// Proves an update and, where it is to be staged, loads it beside the present weights.
    /// </summary>
    private (UpdatedWeights Content, WeightSet? Staged) Stage(
        WeightUpdate update, WeightSet present, WeightUpdateOptions options,
        CancellationToken cancellation)
    {
        UpdatedWeights content = new(update, present);
        bool isShared = IsShared(present);
        if (options.Stages == false && isShared)
        {
            throw new WeightUpdateException(
                "another service, or a step that never ended, uses the present weights: they cannot be "
                + "overwritten; leave Stages out");
        }
        bool fits = _spare is not null
            || present.Backends.Sum(backend => backend.FreeBytes) > present.Bytes + (present.Bytes / 8);
        if (!isShared && !present.IsAway && !(options.Stages ?? fits))
            return (content, null);
        return (content, StageInSpare(content, cancellation) ?? StageAnew(content, present, cancellation));
    }

    /// <summary>Over the weights before those of now; null where there are none.</summary>
    private WeightSet? StageInSpare(UpdatedWeights content, CancellationToken cancellation)
    {
        if (_spare is not { } spare)
            return null;
        // Where it fails the memory is still there to be filled by the next one.
        spare.Reload(content, cancellation.ThrowIfCancellationRequested);
        _spare = null;
        return spare;
    }

    private static WeightSet StageAnew(
        UpdatedWeights content, WeightSet present, CancellationToken cancellation)
    {
        WeightSet staged = new(present.Quantization);
        try
        {
            foreach (WeightPlace place in present.Places)
                staged.Load(place, content, progress: null, cancellation.ThrowIfCancellationRequested);
            return staged;
        }
        catch
        {
            staged.Dispose();
            throw;
        }
    }

    /// <summary>Nobody starts anything with these weights any more.</summary>
    private void Retire(WeightSet weights)
    {
        // Another service may share them, or a step that never ended, and they may be away.
        if (_spare is null && !weights.IsAway && weights.UserCount == 1
            && HostMemory.FreeBytes() > weights.Bytes / 8)
        {
            _spare = weights;
        }
        else
            weights.RemoveUser();
    }

    private void DropSpare()
    {
        _spare?.RemoveUser();
        _spare = null;
    }

    private async Task OverwriteAsync(WeightSet present, UpdatedWeights content)
    {
        try
        {
            await Task.Run(() => present.Reload(content)).ConfigureAwait(false);
        }
        catch (Exception cause) when (cause is PdEngineException or IOException)
        {
            _isHeld = true;
            throw new WeightUpdateException(
                $"it failed half way ({cause.Message}): service '{parts.Name}' stays paused, with weights of "
                + "both versions; push all tensors once more and continue", cause);
        }
    }
}
