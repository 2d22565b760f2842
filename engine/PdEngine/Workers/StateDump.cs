using System.Text;

namespace PdEngine;

/// <summary>What every worker of a service was doing, in words: for a message about one that hangs.</summary>
internal static class StateDump
{
    public static string Of(IReadOnlyList<WorkerSlot> slots)
    {
        StringBuilder text = new("state:");
        foreach (WorkerSlot slot in slots)
        {
            WorkerSnapshot snapshot = slot.Worker.Snapshot();
            text.Append(System.Globalization.CultureInfo.InvariantCulture,
                $" [{slot.Name}{(slot.Worker.IsDead ? " dead" : "")}: step {snapshot.StepCount}, ")
                .Append($"{snapshot.QueuedCount} queued, {snapshot.PrefillingCount} prefilling, ")
                .Append($"{snapshot.ArrivedCount} arrived, {snapshot.DecodingCount} decoding, ")
                .Append($"blocks: {snapshot.FreeBlockCount} free, {snapshot.CachedBlockCount} cached, ")
                .Append($"{slot.Worker.Space.ChargedBlocks} of {slot.Worker.Space.CapacityBlocks} charged]");
        }
        return text.ToString();
    }
}
