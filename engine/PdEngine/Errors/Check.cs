using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace PdEngine;

/// <summary>
/// States rules that hold unless the engine has a bug. Always on; used per batch, not per element.
/// </summary>
internal static class Check
{
    public static void That(
        [DoesNotReturnIf(false)] bool holds, [CallerArgumentExpression(nameof(holds))] string rule = "")
    {
        if (!holds)
            Fail(rule);
    }

    [DoesNotReturn]
    private static void Fail(string rule) => throw new InvariantException(rule);
}
