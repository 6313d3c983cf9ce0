"""Configs of UERL's sensors, actuators, rewarders, terminators and infos, with its defaults.

Names, keyword arguments, defaults and JSON keys are UERL's. A config also says which array its
component has in the segment. A class of your own works as it did there: a dataclass that derives
from `SensorConfig`, `ActuatorConfig` and so on, with a ``ue_class_name``, and `array` where it has
one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from uerl_shm.array_spec import ArraySpec


@dataclass
class FVector:
    """A vector in Unreal's coordinates, in cm where it is a place."""

    x: float
    y: float
    z: float


@dataclass
class FRotator:
    """Angles in degrees."""

    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0


@dataclass
class AgentComponentConfig:
    """What all components have.

    Attributes:
        name: The array's name in the segment, in observations, actions and infos.
        ue_class_name: What the component is called in the engine; set by the class.
    """

    name: str
    ue_class_name: str = field(default="unset_class", init=False)

    def array(self) -> ArraySpec | None:
        """Return the component's array for one agent; None where the config does not tell.

        Then the agent's ``observation_space`` or ``action_space`` must.
        """
        return None


@dataclass
class SensorConfig(AgentComponentConfig):
    """Base of what an agent observes."""


@dataclass
class ActuatorConfig(AgentComponentConfig):
    """Base of what an agent does."""


@dataclass
class RewarderConfig(AgentComponentConfig):
    """Base of what is added up to an agent's reward."""


@dataclass
class TerminatorConfig(AgentComponentConfig):
    """Base of what ends an episode: one that says so is enough."""


@dataclass
class InfoProviderConfig(AgentComponentConfig):
    """Base of what is put into ``info``. Sensors may stand in its place."""


# Sensors ------------------------------------------------------------------------------------------


@dataclass
class CameraSensorConfig(SensorConfig):
    """A camera. Array: uint8, ``(height, width, channels)``, RGB or gray.

    UERL's own reshape has width and height exchanged, which shows in pictures that are not square;
    here rows are rows. Stacked frames stand in the last axis, the oldest first; after a reset all
    are the first frame.

    Attributes:
        attach_to_comp_name: Component of the agent that carries the camera.
        attach_to_actor_name: Actor that carries it instead, if not empty.
        width, height: In pixels.
        max_distance: Longest ray of the CPU renderer, in cm.
        fov: Horizontal field of view, in degrees.
        use_gpu: Scene capture instead of one ray for each pixel.
        grayscale: One channel instead of three.
        render_owner: Whether the agent sees itself.
        srgb: As in UERL, for the engine's side only.
        frame_stack_size: Frames in one observation.
        normalise: As in UERL, for the engine's side only: the array is uint8.
    """

    attach_to_comp_name: str
    attach_to_actor_name: str = ""
    width: int = 72
    height: int = 72
    max_distance: float = 15000.0
    fov: float = 90.0
    use_gpu: bool = False
    grayscale: bool = False
    render_owner: bool = True
    srgb: bool = False
    frame_stack_size: int = 1
    normalise: bool = False
    ue_class_name = "camera"

    def array(self) -> ArraySpec:
        """Return the picture."""
        channels = 1 if self.grayscale else 3
        return ArraySpec.image(self.height, self.width, channels * self.frame_stack_size)


@dataclass
class DistanceTracerSensorConfig(SensorConfig):
    """Distances along a fan of rays. Array: float32, ``(num_traces * frame_stack_size,)``.

    From 0 to 1 if normalised, else to ``trace_length``.

    Attributes:
        num_traces: Rays.
        half_angle: The fan reaches so far to either side, in degrees.
        trace_length: Of a ray, in cm.
        should_normalise: Divide by ``trace_length``.
        trace_channel: Name of the engine's trace channel.
        rotation, location: Relative to the agent's root.
        invert_values: Near is large, and nothing hit is 0.
        frame_stack_size: Steps in one observation, the oldest first.
        output_stacked_shape: Shape ``(num_traces, frame_stack_size)``.
    """

    num_traces: int = 10
    half_angle: float = 90.0
    trace_length: float = 3700.0
    should_normalise: bool = True
    trace_channel: str = "visibility"
    rotation: FRotator = field(default_factory=lambda: FRotator(0, 0, 0))
    location: FVector = field(default_factory=lambda: FVector(0, 0, 0))
    invert_values: bool = True
    frame_stack_size: int = 1
    output_stacked_shape: bool = False
    ue_class_name = "distance_tracer"

    def array(self) -> ArraySpec:
        """Return the distances."""
        high = 1.0 if self.should_normalise else self.trace_length
        if self.output_stacked_shape:
            return ArraySpec.box(0, high, (self.num_traces, self.frame_stack_size))
        return ArraySpec.box(0, high, (self.num_traces * self.frame_stack_size,))


@dataclass
class RotationSensorConfig(SensorConfig):
    """Sine and cosine of the yaw, or of pitch, yaw and roll. Array: float32, ``(2,)`` or ``(6,)``.

    Attributes:
        cyclic: As in UERL, whose sensor always gives sines and cosines.
        only_z: The yaw alone.
        zero_centered: From -1 to 1, else from 0 to 1.
    """

    cyclic: bool = True
    only_z: bool = True
    zero_centered: bool = False
    ue_class_name = "rotation"

    def array(self) -> ArraySpec:
        """Return sines and cosines, by turns."""
        return ArraySpec.box(-1 if self.zero_centered else 0, 1, (2 if self.only_z else 6,))


@dataclass
class LocationSensorConfig(SensorConfig):
    """Where the agent is. Array: float32, ``(3,)``, in cm, or from 0 to 1 if normalised.

    Attributes:
        normalise: Divide by the room between the two corners.
        minimum_location, maximum_location: Corners of that room, in cm.
    """

    normalise: bool
    minimum_location: FVector = field(default_factory=lambda: FVector(0, 0, 0))
    maximum_location: FVector = field(default_factory=lambda: FVector(0, 0, 0))
    ue_class_name = "location"

    def array(self) -> ArraySpec:
        """Return x, y, z."""
        low, high = (0, 1) if self.normalise else (None, None)
        return ArraySpec.box(low, high, (3,))


@dataclass
class VelocitySensorConfig(SensorConfig):
    """How fast the agent moves. Array: float32, ``(3,)``, in cm/s, or normalised.

    Attributes:
        should_normalise: Divide by the largest velocity.
        zero_centered: From -1 to 1, else from 0 to 1, if normalised.
        max_velocity: In cm/s.
        max_velocity_from_cmc: Take it from the character's movement component instead.
    """

    should_normalise: bool = True
    zero_centered: bool = True
    max_velocity: float = 500.0
    max_velocity_from_cmc: bool = True
    ue_class_name = "velocity_sensor"

    def array(self) -> ArraySpec:
        """Return x, y, z."""
        low, high = (-1 if self.zero_centered else 0, 1) if self.should_normalise else (None, None)
        return ArraySpec.box(low, high, (3,))


# Actuators ----------------------------------------------------------------------------------------


@dataclass
class RobotMovementActuatorConfig(ActuatorConfig):
    """Keys of UERL's robot. Array: int64, ``(5,)``: forward, back, right, left, jump; each 0 or 1.

    (UERL's own component reads them as int32, whatever Python sends.)
    """

    ue_class_name = "robot_movement"

    def array(self) -> ArraySpec:
        """Return the keys."""
        return ArraySpec.multi_discrete([2] * 5)


@dataclass
class DroneMovementActuatorConfig(ActuatorConfig):
    """A drone; the agent's ``action_space`` tells its array."""

    ue_class_name = "drone_movement"


# Rewarders ----------------------------------------------------------------------------------------


@dataclass
class PickupRewarderConfig(RewarderConfig):
    """Rewards what is picked up."""

    ue_class_name = "pickup_reward"


@dataclass
class TargetDistanceRewarderConfig(RewarderConfig):
    """Rewards coming nearer to a place.

    Attributes:
        target_location: In cm.
    """

    target_location: FVector = field(default_factory=lambda: FVector(1, 0, 0))
    ue_class_name = "target_distance"


@dataclass
class WorldDirectionRewarderConfig(RewarderConfig):
    """Rewards moving in a direction of the world."""

    direction: FVector = field(default_factory=lambda: FVector(1, 0, 0))
    ue_class_name = "world_direction"


@dataclass
class OnHitRewarderConfig(RewarderConfig):
    """Rewards, or punishes, each hit."""

    on_hit_reward: float = -10.0
    ue_class_name = "on_hit_rewarder"


# Terminators --------------------------------------------------------------------------------------


@dataclass
class StepCounterTerminatorConfig(TerminatorConfig):
    """Ends an episode after so many steps."""

    max_step_count: int = 2000
    ue_class_name = "step_counter"


@dataclass
class ActorsOfClassFinishedTerminatorConfig(TerminatorConfig):
    """Ends an episode when no actor of a class is left.

    Attributes:
        actors_class_to_check: Path of the class in the engine.
    """

    actors_class_to_check: str = ""
    ue_class_name = "actors_finished"


@dataclass
class OnHitTerminatorConfig(TerminatorConfig):
    """Ends an episode at the first hit."""

    ue_class_name = "on_hit_terminator"


# Infos --------------------------------------------------------------------------------------------


@dataclass
class SpectatorCameraConfig(CameraSensorConfig):
    """A camera whose pictures go into ``info``, for people to look at."""

    ue_class_name = "spectator_camera"
