using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace PdEngine.Host;

/// <summary>
/// Gives every tensor other values, so that a trainer sees whether its next update brings all of them back.
/// The service is paused meanwhile: nothing is made of such weights.
/// </summary>
internal sealed class SpoiltWeights
{
    /// <summary>Small numbers of either sign, which overflow nowhere.</summary>
    private const int SmallBits = 0x3C00, RandomBits = 0x80FF;

    private readonly ConcurrentDictionary<string, Spoilt> _spoilt = new(StringComparer.Ordinal);
    private int _count;

    /// <exception cref="WeightUpdateException">The service takes no updates.</exception>
    public async Task SpoilAsync(EngineModel model)
    {
        if (!model.TakesUpdates)
            throw new WeightUpdateException($"service '{model.Name}' takes no weight updates");
        int number = Interlocked.Increment(ref _count);
        TensorShape[] tensors = [.. ModelTensors.Of(model.Config)];
        long longest = tensors.Max(tensor => TensorShape.Count(tensor.Shape));
        if (longest > Array.MaxLength)
            throw new WeightUpdateException($"a tensor of {longest} elements is too long to be reset");
        // One for all of them: they are only to differ from what was there.
        ushort[] values = GC.AllocateUninitializedArray<ushort>((int)longest, pinned: true);
        Fill(values, (uint)number);
        using WeightUpdate update = new() { Version = $"reset_tensors-{number}" };
        foreach (TensorShape tensor in tensors)
        {
            update.AddPointer(tensor.Name, tensor.Shape, WeightElement.BFloat16,
                Marshal.UnsafeAddrOfPinnedArrayElement(values, 0));
        }
        bool wasRunning = !model.IsPaused;
        if (wasRunning)
            await model.PauseAsync(PauseMode.Abort).ConfigureAwait(false);
        Spoilt? before = _spoilt.GetValueOrDefault(model.Name);
        // Who resets twice has been paused by the first.
        _spoilt[model.Name] = new(
            before?.WasRunning ?? wasRunning, [.. tensors.Select(tensor => tensor.Name)]);
        try
        {
            await model.UpdateWeightsAsync(update).ConfigureAwait(false);
        }
        catch
        {
            if (before is not null)
                _spoilt[model.Name] = before;
            else if (_spoilt.TryRemove(model.Name, out _) && wasRunning)
                await model.ContinueAsync().ConfigureAwait(false);
            throw;
        }
        GC.KeepAlive(values);
    }

    /// <summary>New weights have come.</summary>
    /// <param name="model">Whose.</param>
    /// <param name="update">
    /// Where it is partial, the hold stays until all tensors have come, and who brings them says when the
    /// service goes on.
    /// </param>
    /// <param name="staysPaused">They say so in any case.</param>
    public async Task MendAsync(EngineModel model, WeightUpdate update, bool staysPaused)
    {
        if (!_spoilt.TryGetValue(model.Name, out Spoilt? spoilt))
            return;
        if (update.IsPartial && !spoilt.IsMendedBy(update.Names))
            return;
        if (_spoilt.TryRemove(model.Name, out _) && spoilt.WasRunning && !update.IsPartial && !staysPaused)
            await model.ContinueAsync().ConfigureAwait(false);
    }

    /// <summary>Pauses the service again where something else let it go on.</summary>
    public async Task HoldAsync(EngineModel model)
    {
        if (_spoilt.ContainsKey(model.Name) && !model.IsPaused)
            await model.PauseAsync(PauseMode.Abort).ConfigureAwait(false);
    }

    /// <exception cref="HttpRefusal">It would answer by spoilt weights.</exception>
    public void ThrowIfSpoilt(EngineModel model)
    {
        if (_spoilt.TryGetValue(model.Name, out Spoilt? spoilt))
        {
            throw HttpRefusal.Bad("weights", "they were reset to other values (/weights_checker, "
                + $"reset_tensors), and {spoilt.State}; push those before the service goes on");
        }
    }

    private static void Fill(Span<ushort> values, uint seed)
    {
        uint state = seed * 0x9E3779B9 | 1;
        foreach (ref ushort value in values)
        {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            value = (ushort)(SmallBits | (state & RandomBits));
        }
    }

    /// <summary>A service whose weights are not all mended.</summary>
    /// <param name="WasRunning">Before they were spoilt.</param>
    /// <param name="Names">Of all tensors, in the model's order.</param>
    private sealed record Spoilt(bool WasRunning, string[] Names)
    {
        private readonly Lock _gate = new();
        private readonly HashSet<string> _left = new(Names, StringComparer.Ordinal);

        public string State
        {
            get
            {
                lock (_gate)
                {
                    string first = Names.FirstOrDefault(_left.Contains) ?? "none";
                    return TensorsSoFar.Say(Names.Length - _left.Count, Names.Length, first, "since");
                }
            }
        }

        public bool IsMendedBy(IEnumerable<string> names)
        {
            lock (_gate)
            {
                _left.ExceptWith(names);
                return _left.Count == 0;
            }
        }
    }
}
