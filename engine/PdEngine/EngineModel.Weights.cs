namespace PdEngine;

/// <content>Pauses, weight updates and memory on loan.</content>
public sealed partial class EngineModel
{
    /// <summary>
    /// Stops the workers at their next step boundary, and ends when nothing computes any more. New requests
    /// are accepted and wait.
    /// </summary>
    /// <param name="mode">What becomes of requests in flight.</param>
    /// <exception cref="OptionsException">There is no such mode.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been disposed of.</exception>
    public Task PauseAsync(PauseMode mode)
    {
        ObjectDisposedException.ThrowIf(_isDisposed(), this);
        ThrowUnlessKnown(mode);
        return _updates.PauseAsync(mode);
    }

    /// <summary>Lets the workers go on; nothing happens where they are not paused.</summary>
    /// <exception cref="ObjectDisposedException">The engine has been disposed of.</exception>
    public Task ContinueAsync()
    {
        ObjectDisposedException.ThrowIf(_isDisposed(), this);
        return _updates.ContinueAsync();
    }

    /// <summary>
    /// Gives every worker, of prefill and of decode, other weights at one step boundary. Where it is refused
    /// nothing changes.
    /// </summary>
    /// <param name="update">What; not disposed.</param>
    /// <param name="options">How; absent: requests in flight are retracted, the weights are staged.</param>
    /// <param name="cancellationToken">Ends it early, up to the moment when the workers are paused.</param>
    /// <exception cref="WeightUpdateException">It does not fit; the message says what differs.</exception>
    /// <exception cref="OptionsException">There is no such pause mode.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been disposed of.</exception>
    public Task<WeightUpdateReport> UpdateWeightsAsync(
        WeightUpdate update, WeightUpdateOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(update);
        ObjectDisposedException.ThrowIf(_isDisposed(), this);
        if (options?.Mode is { } mode)
            ThrowUnlessKnown(mode);
        return _updates.UpdateAsync(update, options ?? new(), cancellationToken);
    }

    /// <summary>
    /// Pauses the service, its requests retracted, and gives memory back to the system until
    /// <see cref="ResumeMemoryAsync"/>. New requests are accepted and wait. Weights may be pushed meanwhile.
    /// </summary>
    /// <param name="what">Which memory.</param>
    /// <exception cref="OptionsException">There is no such memory, or it is none.</exception>
    /// <exception cref="WeightUpdateException">Another service uses the same weights.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been disposed of.</exception>
    public Task ReleaseMemoryAsync(LoanedMemory what)
    {
        ObjectDisposedException.ThrowIf(_isDisposed(), this);
        if (what == LoanedMemory.None || (what & ~LoanedMemory.All) != 0)
        {
            throw new OptionsException(
                "memory", $"{what} cannot be given back; it must be Weights, KvCache or both");
        }
        return _updates.ReleaseMemoryAsync(what);
    }

    /// <summary>
    /// Takes memory again and lets the service go on. Weights that were given back are those pushed since;
    /// where none were, and none ever, the checkpoint is read again.
    /// </summary>
    /// <exception cref="WeightUpdateException">
    /// Pushed weights were given back, and have to be pushed again first.
    /// </exception>
    /// <exception cref="CheckpointException">The checkpoint has gone.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been disposed of.</exception>
    public Task ResumeMemoryAsync()
    {
        ObjectDisposedException.ThrowIf(_isDisposed(), this);
        return _updates.ResumeMemoryAsync();
    }

    /// <summary>How many updates there were since a version was the present one; 0 where it is.</summary>
    /// <exception cref="RolloutException">The service has never had it.</exception>
    public int UpdatesSince(string version) => _parts.Versions.Since(version) ?? throw new RolloutException(
        $"service '{Name}' never had weights of version '{version}'; it has '{WeightVersion}'");

    private static void ThrowUnlessKnown(PauseMode mode)
    {
        if (!Enum.IsDefined(mode))
            throw new OptionsException(
                "pause_mode", $"there is no mode {(int)mode}; it must be Abort, Retract or InPlace");
    }
}
