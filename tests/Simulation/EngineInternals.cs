using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace PdEngine.Tests;

/// <summary>
/// What the simulation looks at, and bugs are planted into, that the engine shows nobody.
/// </summary>
internal static class EngineInternals
{
    /// <summary>Sequences that a worker owns, each with its hand-off.</summary>
    public static Dictionary<Sequence, Handoff?> Live(Worker worker) => Handoffs(Sequences(worker));

    /// <summary>Holds that have blocks of a domain.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_holds")]
    public static extern ref HashSet<KvHold> Holds(KvDomain domain);

    /// <summary>Workers that wait to admit, first come first.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_admissionTurns")]
    public static extern ref List<object> AdmissionTurns(KvDomain domain);

    /// <summary>Writes into each block that have not ended.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_writers")]
    public static extern ref int[] Writers(KvBlockPool pool);

    /// <summary>Commands that a worker has not taken yet.</summary>
    public static ConcurrentQueue<WorkerCommand> Commands(Worker worker) => Commands(Mailbox(worker));

    /// <summary>Takes away, or adds, commands on their way to a worker, as a bug would.</summary>
    public static void Rewrite(Worker worker, Func<WorkerCommand, IEnumerable<WorkerCommand>> change)
    {
        ConcurrentQueue<WorkerCommand> commands = Commands(worker);
        for (int left = commands.Count; left > 0 && commands.TryDequeue(out WorkerCommand? command); left--)
        {
            foreach (WorkerCommand changed in change(command))
                commands.Enqueue(changed);
        }
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_live")]
    private static extern ref LiveSequences Sequences(Worker worker);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_handoffs")]
    private static extern ref Dictionary<Sequence, Handoff?> Handoffs(LiveSequences live);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_mailbox")]
    private static extern ref WorkerMailbox Mailbox(Worker worker);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_commands")]
    private static extern ref ConcurrentQueue<WorkerCommand> Commands(WorkerMailbox mailbox);
}
