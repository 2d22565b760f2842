namespace PdEngine;

/// <summary>What a statement leaves behind for the loop around it.</summary>
internal enum JinjaFlow
{
    Next,
    Continue,
    Break,
}

/// <summary>An expression of a template.</summary>
internal abstract class JinjaExpression
{
    protected JinjaExpression(int line) => Line = line;

    /// <summary>Line of the template, from 1.</summary>
    public int Line { get; }

    public JinjaValue Evaluate(JinjaContext context)
    {
        context.Enter(Line);
        JinjaValue value = Compute(context);
        context.Leave();
        return value;
    }

    protected abstract JinjaValue Compute(JinjaContext context);
}

/// <summary>A statement of a template.</summary>
internal abstract class JinjaStatement
{
    protected JinjaStatement(int line) => Line = line;

    /// <summary>Line of the template, from 1.</summary>
    public int Line { get; }

    public JinjaFlow Run(JinjaContext context)
    {
        context.Enter(Line);
        JinjaFlow flow = Execute(context);
        context.Leave();
        return flow;
    }

    protected abstract JinjaFlow Execute(JinjaContext context);
}

/// <summary>A run of statements.</summary>
internal sealed class JinjaBlock
{
    private readonly JinjaStatement[] _statements;

    public JinjaBlock(IEnumerable<JinjaStatement> statements) => _statements = [.. statements];

    public JinjaFlow Run(JinjaContext context)
    {
        foreach (JinjaStatement statement in _statements)
        {
            JinjaFlow flow = statement.Run(context);
            if (flow != JinjaFlow.Next)
                return flow;
        }
        return JinjaFlow.Next;
    }

    /// <summary>Runs in a scope of its own, which ends with the block.</summary>
    public JinjaFlow RunScoped(JinjaContext context, JinjaScope scope)
    {
        JinjaScope outer = context.Scope;
        context.Scope = scope;
        JinjaFlow flow = Run(context);
        context.Scope = outer;
        return flow;
    }
}
